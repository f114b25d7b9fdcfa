#include "server/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/ascii.h"
#include "base/status_macros.h"

namespace roxanne::server {
namespace {

constexpr std::string_view kScheme = "bearer ";
constexpr size_t kKeyFileBytesMax = 1u << 20;

bool is_key_text(std::string_view key) {
  return std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// Fetched once: looking the algorithm up costs more than hashing a key.
const EVP_MD* sha256() {
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

bool has_scheme(std::string_view text) {
  return text.size() > kScheme.size() &&
         std::equal(kScheme.begin(), kScheme.end(), text.begin(), [](char lower, char c) {
           return lower == (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
         });
}

}  // namespace

KeyRing::Hash KeyRing::hash_of(std::string_view key) {
  Hash hash{};
  const int done = EVP_Digest(key.data(), key.size(), hash.data(), nullptr, sha256(), nullptr);
  ROX_CHECK(done == 1);
  return hash;
}

Result<KeyRing> KeyRing::load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Status::not_found("key file " + path + ": " + std::strerror(errno));
  }
  std::string text(kKeyFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kKeyFileBytesMax) {
    return Status::invalid_argument("key file " + path + " is larger than 1 MiB");
  }
  auto keys = parse(text);
  if (!keys) return keys.status().with_context("key file " + path);
  return keys;
}

Result<KeyRing> KeyRing::parse(std::string_view text) {
  KeyRing ring;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = base::trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty() || line.front() == '#') continue;
    const std::string where = "line " + std::to_string(number) + ": ";
    const size_t space = line.find_first_of(" \t");
    const std::string_view access = line.substr(0, space);
    const std::string_view key =
        space == std::string_view::npos ? std::string_view() : base::trim(line.substr(space));
    if (access != "read-write" && access != "read-only") {
      return Status::invalid_argument(where + "expected \"read-write KEY\" or \"read-only KEY\"");
    }
    if (key.size() < kKeyBytesMin || key.size() > kKeyBytesMax || !is_key_text(key)) {
      return Status::invalid_argument(where + "a key has " + std::to_string(kKeyBytesMin) + " to " +
                                      std::to_string(kKeyBytesMax) +
                                      " printable characters without spaces; \"openssl rand -hex "
                                      "32\" makes a good one");
    }
    ring.keys_.push_back({hash_of(key), access == "read-write" ? Access::kWrite : Access::kRead});
  }
  if (ring.keys_.empty()) return Status::invalid_argument("there is no key in it");
  return ring;
}

std::optional<Access> KeyRing::allowed(std::string_view authorization) const {
  if (keys_.empty()) return Access::kWrite;
  if (!has_scheme(authorization)) return std::nullopt;
  const Hash hash = hash_of(base::trim(authorization.substr(kScheme.size())));
  std::optional<Access> found;
  for (const Entry& entry : keys_) {
    if (CRYPTO_memcmp(hash.data(), entry.hash.data(), hash.size()) == 0) found = entry.access;
  }
  return found;
}

std::string key_file_warning(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || (status.st_mode & (S_IWGRP | S_IRWXO)) == 0) return {};
  return "everybody may read the key file " + path + ", or its group may change it: chmod 600 it";
}

}  // namespace roxanne::server
