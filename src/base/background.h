// Threads that the work of others goes before.
#pragma once

namespace roxanne::base {

// From now on the calling thread is one. For good: the system lets nobody without privileges take
// it back.
void enter_background();
bool in_background();
// For threads that have long work: beside others that want the same processor this one, and those
// that it starts, get it for a tenth of a millisecond at a time, and as often as they are due.
void take_short_turns();
// To be called again and again by such threads: those in the background let others go first.
void give_way();

}  // namespace roxanne::base
