// Page files: right checksums everywhere, and any numbers behind them.
#include <algorithm>
#include <cstring>
#include <string>

#include "base/checksum.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "storage/page_store.h"
#include "storage/simulated_file_system.h"

namespace {

using namespace roxanne::storage;

constexpr const char* kPath = "/pages-000001.dat";
constexpr size_t kFileBytesMax = 1u << 20;

// The copy at 0 is sealed as the fuzzer left it; all pages of 4096 bytes are, too.
void seal_all(std::span<std::byte> file) {
  const size_t body = kHeaderCopyBytes - sizeof(uint64_t);
  const uint64_t checksum = roxanne::base::checksum64(file.data(), body);
  std::memcpy(file.data() + body, &checksum, sizeof checksum);
  for (size_t at = 2 * kHeaderCopyBytes; at + kHeaderCopyBytes <= file.size();
       at += kHeaderCopyBytes) {
    const auto page = file.subspan(at, kHeaderCopyBytes);
    seal_page(load_page_header(page.data()), page);
  }
}

// Damage may be told, but never without the file's name.
void expect_named(const roxanne::Status& status) {
  ROX_CHECK(status.is_ok() || status.message().find(kPath) != std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 * kHeaderCopyBytes || size > kFileBytesMax) return 0;
  roxanne::base::AlignedBuffer bytes(size);
  std::memcpy(bytes.data(), data, size);
  seal_all(bytes.span());
  SimulatedFileSystem files;
  ROX_CHECK((*files.open(kPath, OpenMode::kCreate))->write(0, bytes.span()).is_ok());
  for (const bool read_only : {true, false}) {
    const auto store = PageStore::open(files, kPath, {.read_only = read_only});
    expect_named(store.status());
    if (!store.is_ok()) return 0;
    (*store)->check(expect_named);
    if (read_only) continue;
    roxanne::base::AlignedBuffer page((*store)->page_bytes());
    const PageImage image{3, 1, 1, page.data()};
    ROX_CHECK((*store)->write({&image, 1}).is_ok());
    ROX_CHECK((*store)->checkpoint({}).is_ok());
  }
  return 0;
}
