// Who may do what: keys from a file, told apart by their hashes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "roxanne/status.h"
#include "server/routes.h"

namespace roxanne::server {

// The keys of a server. Holds no key's text.
class KeyRing {
 public:
  // A line a key: "read-write KEY" or "read-only KEY"; "#" begins a comment. kNotFound,
  // kInvalidArgument (which line and why; a key has kKeyBytesMin characters at least).
  static Result<KeyRing> load(const std::string& path);
  static Result<KeyRing> parse(std::string_view text);
  static constexpr size_t kKeyBytesMin = 16;
  static constexpr size_t kKeyBytesMax = 512;

  bool is_empty() const { return keys_.empty(); }  // then everybody may do everything
  // What an Authorization field allows; absent where its key is none of these. Takes as long for a
  // key that is nearly right as for any other.
  std::optional<Access> allowed(std::string_view authorization) const;

 private:
  using Hash = std::array<unsigned char, 32>;
  struct Entry {
    Hash hash;
    Access access;
  };
  static Hash hash_of(std::string_view key);
  std::vector<Entry> keys_;
};

// What is wrong with who may read or change a key file, or nothing.
std::string key_file_warning(const std::string& path);

}  // namespace roxanne::server
