// Ctrl-C and SIGTERM as a question to ask: verbs stop at the next safe place.
#pragma once

namespace roxanne::cli {

// From now on the first SIGINT or SIGTERM is remembered; a second one ends the process at once,
// which loses no acknowledged write.
void catch_interrupts();

// May be called from any thread.
bool interrupted();

}  // namespace roxanne::cli
