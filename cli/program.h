// roxanne VERB DB [options]: finds the verb, parses its options, turns failures into exit codes.
#pragma once

namespace roxanne::cli {

// main()'s arguments; what the process should return.
int run_program(int argument_count, char** arguments);

}  // namespace roxanne::cli
