#include "graph/candidate_edges.h"

#include <algorithm>
#include <limits>

namespace roxanne::graph {
namespace {
constexpr size_t kBucketEdgesMin = 1024;
}

CandidateEdges::CandidateEdges(size_t point_count, uint64_t memory_bytes, EdgeSpill* spill)
    : point_count_(point_count),
      bucket_edges_max_(std::numeric_limits<size_t>::max()),
      spill_(spill) {
  const size_t buckets = (point_count + kBucketPoints - 1) / kBucketPoints;
  for (size_t i = 0; i < buckets; ++i) buckets_.push_back(std::make_unique<Bucket>());
  if (spill != nullptr && buckets > 0) {
    bucket_edges_max_ = std::max<size_t>(
        kBucketEdgesMin, static_cast<size_t>(memory_bytes / (buckets * sizeof(uint64_t))));
  }
}

void CandidateEdges::Writer::flush() {
  for (size_t bucket = 0; bucket < pending_.size(); ++bucket) {
    if (!pending_[bucket].empty()) edges_.append(bucket, pending_[bucket]);
  }
}

void CandidateEdges::append(size_t bucket, std::vector<uint64_t>& pending) {
  Bucket& target = *buckets_[bucket];
  std::lock_guard lock(target.mutex);
  if (target.edges.size() + pending.size() > bucket_edges_max_ && !target.edges.empty()) {
    if (!spill_->append(bucket, target.edges)) failed_ = true;
    target.edges.clear();
  }
  if (target.edges.size() + pending.size() > target.edges.capacity()) {
    // Grows by half: doubling would hold up to twice of what is needed.
    const size_t grown = target.edges.capacity() + target.edges.capacity() / 2;
    target.edges.reserve(
        std::max(target.edges.size() + pending.size(), std::min(grown, bucket_edges_max_)));
  }
  target.edges.insert(target.edges.end(), pending.begin(), pending.end());
  pending.clear();
}

bool CandidateEdges::merge(size_t bucket, Merged& merged) {
  std::vector<uint64_t> edges = std::move(buckets_[bucket]->edges);
  buckets_[bucket]->edges = {};
  if (spill_ != nullptr && !spill_->read(bucket, edges)) {
    failed_ = true;
    return false;
  }
  const size_t first = bucket * kBucketPoints;
  const size_t sources = std::min(kBucketPoints, point_count_ - first);
  merged.first_source = static_cast<uint32_t>(first);
  merged.offsets.assign(sources + 1, 0);
  for (const uint64_t edge : edges) ++merged.offsets[(edge >> 32) - first + 1];
  for (size_t i = 0; i < sources; ++i) merged.offsets[i + 1] += merged.offsets[i];
  merged.targets.resize(edges.size());
  std::vector<uint32_t> next(merged.offsets.begin(), merged.offsets.end() - 1);
  for (const uint64_t edge : edges) {
    merged.targets[next[(edge >> 32) - first]++] = static_cast<uint32_t>(edge);
  }
  // Each source's targets once, moved together.
  uint32_t size = 0;
  uint32_t begin = 0;
  for (size_t i = 0; i < sources; ++i) {
    const uint32_t end = merged.offsets[i + 1];
    std::sort(merged.targets.begin() + begin, merged.targets.begin() + end);
    const uint32_t start = size;
    for (uint32_t e = begin; e < end; ++e) {
      if (size == start || merged.targets[size - 1] != merged.targets[e]) {
        merged.targets[size++] = merged.targets[e];
      }
    }
    begin = end;
    merged.offsets[i + 1] = size;
  }
  merged.targets.resize(size);
  return true;
}

}  // namespace roxanne::graph
