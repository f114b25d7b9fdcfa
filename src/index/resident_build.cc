// Builds a resident index: graph, records, file.
#include <algorithm>
#include <atomic>
#include <mutex>

#include "accel/graph_builder.h"
#include "base/status_macros.h"
#include "graph/build.h"
#include "graph/random_ids.h"
#include "graph/reachability.h"
#include "index/calibration.h"
#include "index/edge_spill_file.h"
#include "index/graph_file.h"
#include "index/record_encoder.h"
#include "index/resident_impl.h"
#include "index/resident_index.h"

namespace roxanne::index {
namespace {

constexpr size_t kMaxDegree = 32;
constexpr size_t kLeafNeighbours = 2;
// Leaves of few points overlap so much that all name the same neighbours: they name more.
constexpr size_t kFewPoints = 8192;
constexpr size_t kLeafNeighboursOfFew = 8;
constexpr uint32_t kEntriesMax = 512;
// More bits a coordinate say more than more coordinates do, up to codes of so many bits.
constexpr size_t kCodeBits = 2;
constexpr size_t kCodeBitsTotalMax = 1024;

// Of the whole build's time.
constexpr double kGraphShare = 0.80;
constexpr double kEncodeShare = 0.16;

// Memory for one point while its edges are gathered: what it joined, its list, its edges.
constexpr uint64_t kPointBytes = 20 + 40 + kMaxDegree * sizeof(uint32_t) + 4;
constexpr uint64_t kScratchBytes = 48u << 20;
constexpr uint64_t kEdgeBytesLeast = 64;  // a point, before they are spilled

size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

uint32_t entry_count_of(uint64_t rows) {
  const uint64_t wanted = std::min<uint64_t>(kEntriesMax, rows);
  return static_cast<uint32_t>(round_up(wanted, kernels::kNeighbourBlock));
}

GraphShape shape_of(const CollectionOptions& options, uint64_t rows, size_t code_dim,
                    size_t code_bits) {
  return {options,
          static_cast<uint32_t>(rows),
          kMaxDegree,
          entry_count_of(rows),
          static_cast<uint32_t>(code_dim),
          static_cast<uint32_t>(code_bits)};
}

uint64_t bytes_of(const GraphShape& shape) {
  return uint64_t{shape.node_count} * (shape.record().bytes + sizeof(uint32_t) + sizeof(uint64_t)) +
         shape.root().bytes + (uint64_t{shape.code_dim} + 1) * shape.options.dim * sizeof(float);
}

class Build {
 public:
  Build(storage::FileSystem& file_system, const std::string& path, const BuildInput& input,
        base::ThreadPool& pool, const BuildOptions& options)
      : file_system_(file_system),
        path_(path),
        input_(input),
        pool_(pool),
        options_(options),
        count_(input.rows.rows()),
        adjacency_(count_, kMaxDegree) {}

  Result<std::unique_ptr<ResidentIndex>> run() {
    const uint64_t least = build_bytes_least(collection_options(), count_);
    if (options_.memory_bytes != 0 && options_.memory_bytes < least) {
      return Status::invalid_argument("building a graph of " + std::to_string(count_) +
                                      " points takes at least " + std::to_string(least) +
                                      " bytes of memory, " + std::to_string(options_.memory_bytes) +
                                      " are allowed");
    }
    const size_t entries = std::min<size_t>(count_, kEntriesMax);
    entries_ = graph::random_ids(static_cast<uint32_t>(count_), entries,
                                 graph::mix_seeds(options_.seed, 1));
    ROX_RETURN_IF_ERROR(link());
    if (options_.linked) ROX_RETURN_IF_ERROR(options_.linked(adjacency_));
    ROX_RETURN_IF_ERROR(encode());
    adjacency_ = graph::Adjacency(0, kMaxDegree);
    return finish();
  }

 private:
  CollectionOptions collection_options() const {
    return {.dim = input_.rows.dim(), .type = input_.rows.type(), .metric = input_.metric};
  }

  bool report(const char* phase, double fraction) {
    std::lock_guard lock(report_mutex_);
    reported_ = std::max(reported_, fraction);
    if (options_.progress && !options_.progress({phase, reported_})) is_cancelled_ = true;
    return !is_cancelled_;
  }

  // Where memory is short, edges go to a file.
  Status link() {
    if (options_.edges) {
      ROX_RETURN_IF_ERROR(options_.edges(adjacency_));
      graph::make_reachable(adjacency_, entries_);
      return report("link", kGraphShare) ? Status::ok()
                                         : Status::cancelled("building the graph was cancelled");
    }
    const graph::Points points(input_.rows, input_.metric);
    EdgeSpillFile spill(file_system_, options_.scratch_prefix + "edges");
    graph::GraphOptions options;
    options.prune = {.max_degree = kMaxDegree, .fill = true};
    options.partition.seed = options_.seed;
    options.leaf_neighbours = count_ < kFewPoints ? kLeafNeighboursOfFew : kLeafNeighbours;
    options.thread_count = options_.thread_count;
    if (options_.memory_bytes != 0) {
      options.edge_memory_bytes = options_.memory_bytes - count_ * kPointBytes - kScratchBytes;
      options.spill = &spill;
    }
    options.advance = [&](const char* phase, double fraction) {
      return report(phase, fraction * kGraphShare);
    };
    graph::GraphCounts counts;
    const auto processor = accel::make_processor_builder();
    accel::GraphBuilder& builder = options_.builder != nullptr ? *options_.builder : *processor;
    ROX_ASSIGN_OR_RETURN(const graph::GraphOutcome outcome,
                         builder.build(points, pool_, options, entries_, adjacency_, counts));
    switch (outcome) {
      case graph::GraphOutcome::kDone:
        return Status::ok();
      case graph::GraphOutcome::kStopped:
        return Status::cancelled("building the graph was cancelled");
      case graph::GraphOutcome::kSpillFailed:
        break;
    }
    return spill.status();
  }

  size_t choose_bits(size_t code_dim) const {
    if (code_dim * kCodeBits > kCodeBitsTotalMax) return 1;
    const uint64_t bytes = bytes_of(shape_of(collection_options(), count_, code_dim, kCodeBits));
    return options_.resident_bytes != 0 && bytes > options_.resident_bytes ? 1 : kCodeBits;
  }

  // Makes the records where they will be searched, and writes them from there, if at all.
  Status encode() {
    graph_ = std::make_unique<ResidentGraph>();
    ResidentGraph& graph = *graph_;
    graph.origin = mean_of_sample(input_.rows, input_.metric, graph::mix_seeds(options_.seed, 2));
    graph.subspace =
        train_subspace(input_.rows, input_.metric, adjacency_, graph::mix_seeds(options_.seed, 3));
    const size_t code_dim = graph.subspace.dim();
    graph.shape = shape_of(collection_options(), count_, code_dim, choose_bits(code_dim));
    graph.record_layout = graph.shape.record();
    graph.root_layout = graph.shape.root();
    ProjectedRows projected(input_.rows, input_.metric, graph.origin, graph.subspace);
    const uint64_t with_table =
        ProjectedRows::table_bytes(count_, code_dim) + bytes_of(graph.shape) + count_ * kPointBytes;
    if (options_.memory_bytes == 0 || with_table <= options_.memory_bytes) {
      projected.make_table(pool_, options_.thread_count);
    }
    graph.root = base::AlignedBuffer(graph.root_layout.bytes);
    RecordEncoder(graph, input_.rows, projected).encode_root(entries_, graph.root.data());
    graph.slots.assign(input_.slots.begin(), input_.slots.end());
    graph.tags.assign(input_.tags.begin(), input_.tags.end());
    graph.records = base::AlignedBuffer(count_ * graph.record_layout.bytes);
    if (!options_.keeps_file || options_.keeps_file()) {
      ROX_ASSIGN_OR_RETURN(writer_, GraphFileWriter::create(file_system_, path_, graph.shape));
    }
    return encode_records(projected);
  }

  Status encode_records(const ProjectedRows& projected) {
    const size_t record_bytes = graph_->record_layout.bytes;
    const size_t block_nodes = nodes_of_block(graph_->shape);
    const size_t block_count = blocks_of(graph_->shape);
    std::atomic<size_t> next{0};
    std::atomic<size_t> done{0};
    std::mutex mutex;  // guards status
    Status status;
    std::atomic<bool> stopped{false};
    pool_.run(options_.thread_count, [&](size_t) {
      RecordEncoder encoder(*graph_, input_.rows, projected);
      for (size_t b = next++; b < block_count && !stopped; b = next++) {
        const size_t first = b * block_nodes;
        const size_t nodes = std::min(block_nodes, count_ - first);
        const auto block =
            graph_->records.span().subspan(first * record_bytes, nodes * record_bytes);
        for (size_t i = 0; i < nodes; ++i) {
          const auto node = static_cast<uint32_t>(first + i);
          encoder.encode(node, adjacency_.neighbours(node), block.data() + i * record_bytes);
        }
        const Status written = writer_ ? writer_->write_block(b, block) : Status::ok();
        const double part = static_cast<double>(++done) / static_cast<double>(block_count);
        if (!written.is_ok()) {
          std::lock_guard lock(mutex);
          status = written;
          stopped = true;
        } else if (!report("encode", kGraphShare + kEncodeShare * part)) {
          stopped = true;
        }
      }
    });
    ROX_RETURN_IF_ERROR(status);
    if (stopped) return Status::cancelled("building the graph was cancelled");
    return Status::ok();
  }

  // Finds the list sizes, and writes what is left to write.
  Result<std::unique_ptr<ResidentIndex>> finish() {
    if (!report("calibrate", kGraphShare + kEncodeShare)) {
      return Status::cancelled("building the graph was cancelled");
    }
    calibrate(input_.rows, pool_, options_.thread_count, graph::mix_seeds(options_.seed, 4),
              *graph_);
    if (!report("write", kGraphShare + kEncodeShare)) {
      return Status::cancelled("building the graph was cancelled");
    }
    if (writer_) ROX_RETURN_IF_ERROR(writer_->finish(*graph_));
    report("write", 1);
    return make_resident_index(std::move(graph_), writer_ ? writer_->bytes() : 0);
  }

  storage::FileSystem& file_system_;
  const std::string& path_;
  const BuildInput& input_;
  base::ThreadPool& pool_;
  const BuildOptions& options_;
  const size_t count_;
  std::vector<uint32_t> entries_;
  graph::Adjacency adjacency_;
  std::unique_ptr<ResidentGraph> graph_;
  std::unique_ptr<GraphFileWriter> writer_;  // null where no file is kept
  std::mutex report_mutex_;  // guards reported_, is_cancelled_ and calls of progress
  double reported_ = 0;
  bool is_cancelled_ = false;
};

}  // namespace

ResidentBytes resident_bytes(const CollectionOptions& options, uint64_t row_count) {
  // The subspace may turn out smaller than this.
  const size_t dim = std::min<size_t>(round_up(options.dim, kernels::kResidualStep), 1024);
  const size_t half = std::min(dim, kCodeBitsTotalMax / kCodeBits);
  const uint64_t one_bit = bytes_of(shape_of(options, row_count, dim, 1));
  const uint64_t two_bits = bytes_of(shape_of(options, row_count, half, kCodeBits));
  return {std::max(one_bit, two_bits), one_bit};
}

uint64_t build_bytes_least(const CollectionOptions&, uint64_t row_count) {
  return row_count * (kPointBytes + kEdgeBytesLeast) + kScratchBytes;
}

Result<std::unique_ptr<ResidentIndex>> build_resident_index(storage::FileSystem& file_system,
                                                            const std::string& path,
                                                            const BuildInput& input,
                                                            base::ThreadPool& pool,
                                                            const BuildOptions& options) {
  auto built = Build(file_system, path, input, pool, options).run();
  if (!built.is_ok()) (void)file_system.remove(path);  // where it is there
  return built;
}

}  // namespace roxanne::index
