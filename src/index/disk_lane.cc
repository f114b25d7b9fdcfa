#include "index/disk_lane.h"

#include <array>
#include <utility>

#include "base/deadline.h"
#include "base/status_macros.h"

namespace roxanne::index {
namespace {

constexpr size_t kPagesAtOnce = DiskQuery::kPagesAtOnceMax;
constexpr size_t kDepth = DiskLane::kQueriesMax * kPagesAtOnce;
constexpr size_t kCompletionsAtOnce = 64;

}  // namespace

DiskLane::DiskLane(const DiskGraph& graph, base::ReaderGate& gate, const storage::PageStore& pages,
                   PageCache& cache)
    : graph_(graph), seat_(gate), pages_(pages), cache_(cache), running_(kQueriesMax) {
  reader_ = storage::make_async_reader({.depth = kDepth});
}

DiskLane::~DiskLane() = default;

uint64_t DiskLane::bytes() const {
  uint64_t bytes = arena_.size();
  for (const Running& running : running_) {
    if (running.query != nullptr) bytes += running.query->bytes();
  }
  return bytes;
}

uint64_t DiskLane::bytes_of(uint64_t page_bytes, uint64_t code_query_bytes) {
  constexpr uint64_t kQueryBytes = 160u << 10;  // its sets and lists, as measured
  return kQueriesMax * (code_query_bytes + kQueryBytes + kPagesAtOnce * page_bytes);
}

std::span<std::byte> DiskLane::buffer(size_t place, size_t number) {
  const size_t page_bytes = graph_.layout.page_bytes;
  return arena_.span().subspan((place * kPagesAtOnce + number) * page_bytes, page_bytes);
}

Status DiskLane::run(const RunOptions& options, const Next& next, const Done& done) {
  if (arena_.size() == 0) {
    arena_ = base::AlignedBuffer(kDepth * graph_.layout.page_bytes);
    (void)reader_->register_buffers(arena_.span());  // faster, where the system lets us
  }
  options_ = &options;
  done_ = &done;
  next_number_ = 0;
  size_t active = 0;
  // Fills a place with queries until one has to wait, or none is left.
  const auto refill = [&](size_t place) -> Status {
    while (begin(place, next)) {
      ROX_ASSIGN_OR_RETURN(const bool waits, ask(running_[place], place));
      if (!waits) continue;
      ++active;
      break;
    }
    return Status::ok();
  };
  for (size_t place = 0; place < options.places; ++place) ROX_RETURN_IF_ERROR(refill(place));
  std::array<storage::AsyncReader::Completion, kCompletionsAtOnce> completions;
  while (active > 0) {
    ROX_ASSIGN_OR_RETURN(const size_t count, reader_->wait_some(completions));
    for (size_t i = 0; i < count; ++i) {
      const size_t place = completions[i].tag / kPagesAtOnce;
      Running& running = running_[place];
      receive(running, place, completions[i]);
      if (running.pending > 0) continue;
      running.outcome.stats.read_wait_us += running.watch.lap_us();
      advance(running);
      running.outcome.stats.walk_us += running.watch.lap_us();
      ROX_ASSIGN_OR_RETURN(const bool waits, ask(running, place));
      if (waits) continue;
      --active;
      ROX_RETURN_IF_ERROR(refill(place));
    }
  }
  return Status::ok();
}

bool DiskLane::begin(size_t place, const Next& next) {
  const std::optional<DiskQuery::Request> request = next();
  if (!request.has_value()) return false;
  Running& running = running_[place];
  if (running.query == nullptr) running.query = std::make_unique<DiskQuery>(graph_);
  running.number = next_number_++;
  running.outcome = {};
  running.watch.lap_us();
  {
    const std::lock_guard lock(seat_);  // else the graph might be newer
    running.snapshot = pages_.snapshot();
    running.query->start(*request);
  }
  running.outcome.stats.seed_us += running.watch.lap_us();
  return true;
}

Result<bool> DiskLane::ask(Running& running, size_t place) {
  while (running.outcome.status.is_ok() && !running.query->wanted().empty()) {
    running.outcome.status = base::check_deadline(options_->deadline);
    if (!running.outcome.status.is_ok()) break;
    const std::span<const uint32_t> wanted = running.query->wanted();
    for (size_t i = 0; i < wanted.size(); ++i) {
      const uint32_t physical = running.snapshot->physical_page(wanted[i]);
      if (physical == storage::kNoPage) {
        running.query->pass_over(wanted[i]);
        continue;
      }
      if (is_at_hand(wanted[i], physical, buffer(place, i))) {
        take(running, wanted[i], buffer(place, i));
        ++running.outcome.stats.cache_hits;
        continue;
      }
      ROX_RETURN_IF_ERROR(submit(running, place, i));
      ++running.pending;
    }
    running.outcome.stats.reads += running.pending;
    running.outcome.stats.bytes_read += running.pending * graph_.layout.page_bytes;
    if (running.pending > 0) {
      ++running.outcome.stats.read_rounds;
      ROX_RETURN_IF_ERROR(reader_->start());
      running.outcome.stats.walk_us += running.watch.lap_us();
      return true;
    }
    advance(running);
    running.outcome.stats.walk_us += running.watch.lap_us();
  }
  end(running);
  return false;
}

bool DiskLane::is_at_hand(uint32_t page, uint32_t physical, std::span<std::byte> out) {
  if (options_->held && options_->held(page, out)) return true;
  return cache_.find(physical, out, options_->reader);
}

// Whoever hears of the page looks up its cell.
void DiskLane::take(Running& running, uint32_t page, std::span<std::byte> bytes) {
  const std::lock_guard lock(seat_);
  running.query->take(page, bytes.data());
}

void DiskLane::advance(Running& running) {
  if (!running.outcome.status.is_ok()) return;
  const std::lock_guard lock(seat_);
  running.query->advance();
}

Status DiskLane::submit(const Running& running, size_t place, size_t number) {
  const uint32_t page = running.query->wanted()[number];
  return reader_->submit(pages_.direct_file(), pages_.offset_of(*running.snapshot, page),
                         buffer(place, number), place * kPagesAtOnce + number);
}

void DiskLane::receive(Running& running, size_t place,
                       const storage::AsyncReader::Completion& completion) {
  --running.pending;
  const size_t number = completion.tag % kPagesAtOnce;
  const uint32_t page = running.query->wanted()[number];
  const std::span<std::byte> bytes = buffer(place, number);
  Status status = completion.status;
  if (status.is_ok()) status = check(running, page, completion.bytes_read, bytes);
  if (!status.is_ok()) {
    status = status.with_context(pages_.path() + ": page " + std::to_string(page));
    if (running.outcome.status.is_ok()) running.outcome.status = std::move(status);
    return;
  }
  if (!running.outcome.status.is_ok()) return;
  take(running, page, bytes);
  cache_.offer(running.snapshot->physical_page(page), bytes, options_->reader);
}

// A page whose bytes are wrong is read once more: it may have been the way, not the disk.
Status DiskLane::check(const Running& running, uint32_t page, size_t bytes_read,
                       std::span<std::byte> bytes) const {
  if (bytes_read == bytes.size() && pages_.check_page(page, bytes).is_ok()) return Status::ok();
  return pages_.read_page(*running.snapshot, page, bytes);
}

void DiskLane::end(Running& running) {
  DiskOutcome& outcome = running.outcome;
  const DiskQueryCounts& counts = running.query->counts();
  outcome.stats.queries = 1;
  outcome.stats.distance_computations = counts.exact_distances + counts.estimates;
  outcome.stats.hops = counts.hops;
  if (outcome.status.is_ok()) {
    for (const DiskAnswer& answer : running.query->answers()) {
      outcome.found.push_back({answer.distance, answer.slot, answer.tag});
    }
  }
  running.query->trim();
  running.snapshot.reset();  // what it holds may be written again
  (*done_)(running.number, std::move(outcome));
}

}  // namespace roxanne::index
