// Sets and maps of numbers that are filled for one query and emptied at once: open addressing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace roxanne::index {

// With a stamp in each place instead of clearing.
template <typename Value>
class NumberMap {
 public:
  NumberMap() : places_(kPlacesLeast) {}

  void clear() {
    size_ = 0;
    if (++stamp_ != 0) return;
    for (Place& place : places_) place.stamp = 0;  // once in 2^32 times
    stamp_ = 1;
  }
  // Forgets all, and the memory too.
  void reset() { *this = NumberMap(); }
  size_t size() const { return size_; }
  uint64_t bytes() const { return places_.capacity() * sizeof(Place); }

  // The value of a number; made Value{}, and `is_new` set, where it was not there. Valid until the
  // next call.
  Value& at(uint32_t number, bool& is_new) {
    if (2 * (size_ + 1) > places_.size()) grow();
    Place& place = place_of(number);
    is_new = place.stamp != stamp_;
    if (is_new) {
      place = {number, stamp_, Value{}};
      ++size_;
    }
    return place.value;
  }
  // Values of other numbers may move.
  void erase(uint32_t number) {
    size_t hole = start(number);
    while (places_[hole].stamp == stamp_ && places_[hole].number != number) hole = next(hole);
    if (places_[hole].stamp != stamp_) return;
    // Those behind that could not be found over the hole go into it.
    for (size_t i = next(hole); places_[i].stamp == stamp_; i = next(i)) {
      const size_t mask = places_.size() - 1;
      const size_t way = (i - start(places_[i].number)) & mask;
      if (way < ((i - hole) & mask)) continue;
      places_[hole] = places_[i];
      hole = i;
    }
    places_[hole].stamp = stamp_ - 1;
    --size_;
  }
  // Null where it is not there.
  const Value* find(uint32_t number) const {
    size_t i = start(number);
    while (places_[i].stamp == stamp_) {
      if (places_[i].number == number) return &places_[i].value;
      i = next(i);
    }
    return nullptr;
  }
  bool contains(uint32_t number) const { return find(number) != nullptr; }

 private:
  static constexpr size_t kPlacesLeast = 256;  // a power of two, as is each size
  struct Place {
    uint32_t number = 0;
    uint32_t stamp = 0;
    Value value{};
  };

  size_t start(uint32_t number) const {
    // Fibonacci hashing: neighbouring numbers are the usual case.
    return (number * 0x9e3779b97f4a7c15ull >> 32) & (places_.size() - 1);
  }
  size_t next(size_t place) const { return (place + 1) & (places_.size() - 1); }
  Place& place_of(uint32_t number) {
    size_t i = start(number);
    while (places_[i].stamp == stamp_ && places_[i].number != number) {
      i = next(i);
    }
    return places_[i];
  }
  void grow() {
    std::vector<Place> old(2 * places_.size());
    old.swap(places_);
    for (const Place& place : old) {
      if (place.stamp == stamp_) place_of(place.number) = place;
    }
  }

  std::vector<Place> places_;
  size_t size_ = 0;
  uint32_t stamp_ = 1;
};

// Of numbers below UINT32_MAX. Four bytes a place, so that what a query knows stays in the
// processor's first cache: most of its look-ups are here.
class NumberSet {
 public:
  NumberSet() : places_(kPlacesLeast, kVacant) {}

  void clear() {
    if (size_ > 0) std::fill(places_.begin(), places_.end(), kVacant);
    size_ = 0;
  }
  // Forgets all, and the memory too.
  void reset() { *this = NumberSet(); }
  uint64_t bytes() const { return places_.capacity() * sizeof(uint32_t); }

  bool contains(uint32_t number) const { return places_[place_of(number)] == number; }
  // False where it was there.
  bool insert(uint32_t number) {
    if (2 * (size_ + 1) > places_.size()) grow();
    uint32_t& place = places_[place_of(number)];
    if (place == number) return false;
    place = number;
    ++size_;
    return true;
  }

 private:
  static constexpr size_t kPlacesLeast = 256;  // a power of two, as is each size
  static constexpr uint32_t kVacant = UINT32_MAX;

  // Where it is, or would be.
  size_t place_of(uint32_t number) const {
    const size_t mask = places_.size() - 1;
    size_t i = (number * 0x9e3779b97f4a7c15ull >> 32) & mask;
    while (places_[i] != kVacant && places_[i] != number) i = (i + 1) & mask;
    return i;
  }
  void grow() {
    std::vector<uint32_t> old(2 * places_.size(), kVacant);
    old.swap(places_);
    for (const uint32_t number : old) {
      if (number != kVacant) places_[place_of(number)] = number;
    }
  }

  std::vector<uint32_t> places_;
  size_t size_ = 0;
};

}  // namespace roxanne::index
