// Candidate edges on their way from leaves to pruning: gathered by ranges of their source, in
// memory as far as it goes, else in a spill. The set of a source's candidates does not depend on
// the order in which leaves were done, so neither does what is made of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace roxanne::graph {

// Where edges go that do not fit memory. Given from above: this layer knows no files.
class EdgeSpill {
 public:
  virtual ~EdgeSpill() = default;
  // Keeps `edges` for a bucket; called from several threads. False = it cannot: stop building.
  virtual bool append(size_t bucket, std::span<const uint64_t> edges) = 0;
  // Adds all that was kept for a bucket to `edges`.
  virtual bool read(size_t bucket, std::vector<uint64_t>& edges) = 0;
};

class CandidateEdges {
 public:
  // Sources in one bucket: their candidates fit the second-level cache when they are merged.
  static constexpr size_t kBucketPoints = 8192;

  // Sources are below `source_count`. `memory_bytes`: what the edges may take before they are
  // spilled; without a spill, all stay.
  CandidateEdges(size_t source_count, uint64_t memory_bytes, EdgeSpill* spill);

  size_t bucket_count() const { return buckets_.size(); }

  // Collects the edges of one thread.
  class Writer {
   public:
    explicit Writer(CandidateEdges& edges) : edges_(edges), pending_(edges.bucket_count()) {}
    ~Writer() { flush(); }
    void add(uint32_t source, uint32_t target) {
      const size_t bucket = source / kBucketPoints;
      std::vector<uint64_t>& pending = pending_[bucket];
      pending.push_back((static_cast<uint64_t>(source) << 32) | target);
      if (pending.size() == kPendingEdges) edges_.append(bucket, pending);
    }
    void flush();

   private:
    CandidateEdges& edges_;
    std::vector<std::vector<uint64_t>> pending_;
  };

  // Candidates of the sources of one bucket, each source's ascending and once.
  struct Merged {
    uint32_t first_source = 0;
    std::vector<uint32_t> offsets;  // one a source, and the end
    std::vector<uint32_t> targets;
  };
  // False where the spill failed. Lets go of the bucket's memory. Buckets may be merged at once.
  bool merge(size_t bucket, Merged& merged);

  // The two halves of merge(), for who sorts elsewhere. All edges of a bucket, source << 32 |
  // target, in no order, some more than once; false and memory as above.
  bool take(size_t bucket, std::vector<std::vector<uint64_t>>& chunks);
  // `sorted`: all edges of a bucket, ascending, each once.
  void group(size_t bucket, std::span<const uint64_t> sorted, Merged& merged) const;

  bool failed() const { return failed_; }

 private:
  static constexpr size_t kPendingEdges = 512;
  // Edges of a bucket lie in chunks, so that none is moved when more come.
  static constexpr size_t kChunkEdges = 64 * kPendingEdges;
  struct Bucket {
    std::mutex mutex;                           // guards chunks
    std::vector<std::vector<uint64_t>> chunks;  // all full but the last
  };
  // Empties `pending` into the bucket.
  void append(size_t bucket, std::vector<uint64_t>& pending);
  bool spill(size_t bucket, Bucket& target);
  size_t sources_in(size_t bucket) const;

  size_t source_count_;
  size_t bucket_chunks_max_;
  EdgeSpill* spill_;
  std::vector<std::unique_ptr<Bucket>> buckets_;
  std::atomic<bool> failed_{false};
};

}  // namespace roxanne::graph
