// Options from the environment and from a file, for those that the command line does not give.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace roxanne::cli {

// Every option so far may also come from the environment: "--body-bytes-max" from PREFIX and
// BODY_BYTES_MAX.
void add_environment(CLI::App& app, const std::string& prefix);

// --config FILE (TOML or INI): "body-bytes-max = 1000000" a line. What the command line or the
// environment gives is left alone. A name that is no option is an error.
void add_config_file(CLI::App& app, std::string& path);

}  // namespace roxanne::cli
