#include "storage/page_copy.h"

#include <vector>

#include "base/aligned_buffer.h"
#include "base/status_macros.h"

namespace roxanne::storage {
namespace {

constexpr size_t kPagesTogether = 256;  // read and written

class PageCopy {
 public:
  PageCopy(const PageStore& from, const PageMap& snapshot, PageStore& to, FileCopier& copier)
      : from_(from),
        snapshot_(snapshot),
        to_(to),
        copier_(copier),
        page_bytes_(from.page_bytes()),
        buffer_(kPagesTogether * page_bytes_) {}

  Status run() {
    Status status;
    snapshot_.for_each_page([&](uint32_t logical_page, uint32_t) {
      pages_.push_back(logical_page);
      if (pages_.size() == kPagesTogether && status.is_ok()) status = copy_gathered();
    });
    ROX_RETURN_IF_ERROR(status);
    return copy_gathered();
  }

 private:
  Status copy_gathered() {
    const auto first_offset = [&](size_t i) { return from_.offset_of(snapshot_, pages_[i]); };
    for (size_t first = 0; first < pages_.size();) {
      size_t count = 1;
      while (first + count < pages_.size() &&
             first_offset(first + count) == first_offset(first) + count * page_bytes_) {
        ++count;
      }
      const auto bytes = buffer_.span().subspan(first * page_bytes_, count * page_bytes_);
      ROX_RETURN_IF_ERROR(from_.direct_file().read(first_offset(first), bytes).status());
      first += count;
    }
    ROX_RETURN_IF_ERROR(write_gathered());
    const uint64_t bytes = pages_.size() * page_bytes_;
    pages_.clear();
    return copier_.note_copied(bytes);
  }

  Status write_gathered() {
    std::vector<PageImage> images;
    for (size_t i = 0; i < pages_.size(); ++i) {
      const auto page = buffer_.span().subspan(i * page_bytes_, page_bytes_);
      ROX_RETURN_IF_ERROR(from_.check_page(pages_[i], page));
      const PageHeader header = load_page_header(page.data());
      images.push_back({pages_[i], header.log_sequence_number, header.record_bitmap, page.data()});
    }
    return images.empty() ? Status::ok() : to_.write(images);
  }

  const PageStore& from_;
  const PageMap& snapshot_;
  PageStore& to_;
  FileCopier& copier_;
  const size_t page_bytes_;
  base::AlignedBuffer buffer_;
  std::vector<uint32_t> pages_;  // to be copied together, ascending
};

}  // namespace

Status copy_pages(const PageStore& from, const PageMap& snapshot, const CheckpointRecord& record,
                  const std::string& path, FileCopier& copier) {
  ROX_ASSIGN_OR_RETURN(const auto to, PageStore::create(copier.file_system(), path,
                                                        {.page_bytes = from.page_bytes()}));
  ROX_RETURN_IF_ERROR(PageCopy(from, snapshot, *to, copier).run());
  return to->checkpoint(record);
}

}  // namespace roxanne::storage
