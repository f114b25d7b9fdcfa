#include "index/shard_lists.h"

#include <algorithm>
#include <cstring>

#include "base/status_macros.h"

namespace roxanne::index {
namespace {

constexpr size_t kWriteBytes = 1u << 20;
// Of each shard's lists at a time: every shard has a buffer while lists are merged.
constexpr size_t kReadBytes = 128u << 10;
constexpr size_t kRowsWrittenTogether = 8192;

struct ListHeader {
  uint32_t row;
  uint32_t count;
};
static_assert(sizeof(ListHeader) == 8);
static_assert(sizeof(FoundEdge) == 8);

}  // namespace

// Goes through one shard's lists.
class ShardLists::Reader {
 public:
  Reader(const storage::File& file, const std::string& path, uint64_t begin, uint64_t end)
      : file_(file), path_(path), offset_(begin), end_(end) {}

  bool is_done() const { return is_done_; }
  uint32_t row() const { return header_.row; }
  std::span<const FoundEdge> edges() const { return edges_; }

  Status next() {
    if (offset_ == end_ && at_ == buffer_.size()) {
      is_done_ = true;
      return Status::ok();
    }
    ROX_RETURN_IF_ERROR(take(&header_, sizeof header_));
    edges_.resize(header_.count);
    return take(edges_.data(), edges_.size() * sizeof(FoundEdge));
  }

 private:
  Status take(void* out, size_t bytes) {
    auto* to = static_cast<std::byte*>(out);
    while (bytes > 0) {
      if (at_ == buffer_.size()) ROX_RETURN_IF_ERROR(fill());
      const size_t part = std::min(bytes, buffer_.size() - at_);
      std::memcpy(to, buffer_.data() + at_, part);
      at_ += part;
      to += part;
      bytes -= part;
    }
    return Status::ok();
  }

  Status fill() {
    buffer_.resize(std::min<uint64_t>(kReadBytes, end_ - offset_));
    at_ = 0;
    ROX_ASSIGN_OR_RETURN(const size_t got, file_.read(offset_, buffer_));
    if (got == 0 || got != buffer_.size()) {
      return Status::io_error(path_ + ": shorter than what was written");
    }
    offset_ += got;
    return Status::ok();
  }

  const storage::File& file_;
  const std::string& path_;
  uint64_t offset_;
  uint64_t end_;
  std::vector<std::byte> buffer_;
  size_t at_ = 0;
  ListHeader header_{};
  std::vector<FoundEdge> edges_;
  bool is_done_ = false;
};

void ListMerger::start() {
  edges_.clear();
  list_count_ = 0;
}

void ListMerger::add(std::span<const FoundEdge> edges) {
  ++list_count_;
  // Pruning goes from near to far; where distances fall, it has begun again for what was left.
  bool is_strict = true;
  float last = 0;
  for (const FoundEdge& edge : edges) {
    is_strict = is_strict && edge.distance >= last;
    last = edge.distance;
    edges_.push_back({edge, is_strict});
  }
}

void ListMerger::finish(std::span<uint32_t> list) {
  if (list_count_ > 1) {
    std::sort(edges_.begin(), edges_.end(), [](const Ranked& a, const Ranked& b) {
      if (a.is_strict != b.is_strict) return a.is_strict;
      if (a.edge.distance != b.edge.distance) return a.edge.distance < b.edge.distance;
      return a.edge.target < b.edge.target;
    });
  }
  size_t size = 0;
  for (const Ranked& ranked : edges_) {
    if (size == list.size()) break;
    const auto taken = list.first(size);
    if (std::find(taken.begin(), taken.end(), ranked.edge.target) != taken.end()) continue;
    list[size++] = ranked.edge.target;
  }
  std::fill(list.begin() + static_cast<ptrdiff_t>(size), list.end(), kNoEdge);
}

ShardLists::~ShardLists() {
  if (file_ == nullptr) return;
  file_.reset();
  (void)file_system_.remove(path_);  // what stays is removed by the next open
}

Result<std::unique_ptr<ShardLists>> ShardLists::create(storage::FileSystem& file_system,
                                                       std::string path) {
  std::unique_ptr<ShardLists> lists(new ShardLists(file_system, std::move(path)));
  ROX_ASSIGN_OR_RETURN(lists->file_, file_system.open(lists->path_, storage::OpenMode::kCreate));
  return lists;
}

Status ShardLists::begin_shard() {
  ROX_RETURN_IF_ERROR(flush());
  begins_.push_back(end_);
  return Status::ok();
}

Status ShardLists::append(uint32_t row, std::span<const FoundEdge> edges) {
  const ListHeader header{row, static_cast<uint32_t>(edges.size())};
  const auto* const head = reinterpret_cast<const std::byte*>(&header);
  const auto bytes = std::as_bytes(edges);
  pending_.insert(pending_.end(), head, head + sizeof header);
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  return pending_.size() < kWriteBytes ? Status::ok() : flush();
}

Status ShardLists::flush() {
  if (pending_.empty()) return Status::ok();
  ROX_RETURN_IF_ERROR(file_->write(end_, pending_));
  end_ += pending_.size();
  pending_.clear();
  return Status::ok();
}

Status ShardLists::merge(EdgeFile& edges) {
  ROX_RETURN_IF_ERROR(flush());
  pending_ = {};
  std::vector<Reader> readers;
  for (size_t i = 0; i < begins_.size(); ++i) {
    readers.emplace_back(*file_, path_, begins_[i], i + 1 < begins_.size() ? begins_[i + 1] : end_);
    ROX_RETURN_IF_ERROR(readers.back().next());
  }
  const size_t max_degree = edges.max_degree();
  std::vector<uint32_t> lists;
  ListMerger merger;
  for (size_t first = 0; first < edges.count(); first += kRowsWrittenTogether) {
    const size_t count = std::min(kRowsWrittenTogether, edges.count() - first);
    lists.resize(count * max_degree);
    for (size_t i = 0; i < count; ++i) {
      merger.start();
      for (Reader& reader : readers) {
        if (reader.is_done() || reader.row() != first + i) continue;
        merger.add(reader.edges());
        ROX_RETURN_IF_ERROR(reader.next());
      }
      merger.finish(std::span(lists).subspan(i * max_degree, max_degree));
    }
    ROX_RETURN_IF_ERROR(edges.write(first, lists));
  }
  return Status::ok();
}

}  // namespace roxanne::index
