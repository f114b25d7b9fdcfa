#include "graph/candidate_edges.h"

#include <algorithm>
#include <limits>

namespace roxanne::graph {

CandidateEdges::CandidateEdges(size_t source_count, uint64_t memory_bytes, EdgeSpill* spill)
    : source_count_(source_count),
      bucket_chunks_max_(std::numeric_limits<size_t>::max()),
      spill_(spill) {
  const size_t buckets = (source_count + kBucketPoints - 1) / kBucketPoints;
  for (size_t i = 0; i < buckets; ++i) buckets_.push_back(std::make_unique<Bucket>());
  if (spill != nullptr && buckets > 0) {
    const uint64_t chunk_bytes = kChunkEdges * sizeof(uint64_t);
    bucket_chunks_max_ =
        std::max<size_t>(1, static_cast<size_t>(memory_bytes / (buckets * chunk_bytes)));
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
  if (target.chunks.empty() || target.chunks.back().size() + pending.size() > kChunkEdges) {
    if (target.chunks.size() >= bucket_chunks_max_ && !spill(bucket, target)) failed_ = true;
    target.chunks.emplace_back().reserve(kChunkEdges);
  }
  auto& chunk = target.chunks.back();
  chunk.insert(chunk.end(), pending.begin(), pending.end());
  pending.clear();
}

bool CandidateEdges::spill(size_t bucket, Bucket& target) {
  bool is_kept = true;
  for (const auto& chunk : target.chunks) is_kept = is_kept && spill_->append(bucket, chunk);
  target.chunks.clear();
  return is_kept;
}

size_t CandidateEdges::sources_in(size_t bucket) const {
  return std::min(kBucketPoints, source_count_ - bucket * kBucketPoints);
}

bool CandidateEdges::take(size_t bucket, std::vector<std::vector<uint64_t>>& chunks) {
  chunks = std::move(buckets_[bucket]->chunks);
  buckets_[bucket]->chunks.clear();
  if (spill_ != nullptr && !spill_->read(bucket, chunks.emplace_back())) failed_ = true;
  return !failed_;
}

void CandidateEdges::group(size_t bucket, std::span<const uint64_t> sorted, Merged& merged) const {
  const size_t first = bucket * kBucketPoints;
  merged.first_source = static_cast<uint32_t>(first);
  merged.offsets.assign(sources_in(bucket) + 1, 0);
  merged.targets.clear();
  for (const uint64_t edge : sorted) {
    ++merged.offsets[(edge >> 32) - first + 1];
    merged.targets.push_back(static_cast<uint32_t>(edge));
  }
  for (size_t i = 1; i < merged.offsets.size(); ++i) merged.offsets[i] += merged.offsets[i - 1];
}

bool CandidateEdges::merge(size_t bucket, Merged& merged) {
  std::vector<std::vector<uint64_t>> chunks;
  if (!take(bucket, chunks)) return false;
  const size_t first = bucket * kBucketPoints;
  const size_t sources = sources_in(bucket);
  merged.first_source = static_cast<uint32_t>(first);
  merged.offsets.assign(sources + 1, 0);
  for (const auto& chunk : chunks) {
    for (const uint64_t edge : chunk) ++merged.offsets[(edge >> 32) - first + 1];
  }
  for (size_t i = 0; i < sources; ++i) merged.offsets[i + 1] += merged.offsets[i];
  merged.targets.resize(merged.offsets.back());
  std::vector<uint32_t> next(merged.offsets.begin(), merged.offsets.end() - 1);
  for (const auto& chunk : chunks) {
    for (const uint64_t edge : chunk) {
      merged.targets[next[(edge >> 32) - first]++] = static_cast<uint32_t>(edge);
    }
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
