// Graph files: headers with right checksums and any numbers, whatever follows them.
#include <algorithm>
#include <cstring>
#include <string>

#include "base/checksum.h"
#include "fuzz/memory_file.h"
#include "index/graph_file.h"

namespace {

constexpr size_t kHeaderBytes = 96;  // without its checksum

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using roxanne::index::read_graph;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size >= kHeaderBytes + 8) {
    const uint64_t checksum = roxanne::base::checksum64(bytes.data(), kHeaderBytes, 1);
    std::memcpy(bytes.data() + kHeaderBytes, &checksum, sizeof checksum);
    std::fill(bytes.begin() + kHeaderBytes + 8,
              bytes.begin() + std::min<ptrdiff_t>(4096, static_cast<ptrdiff_t>(size)), '\0');
  }
  const roxanne::fuzz::MemoryFile file(
      {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  const auto graph = read_graph(file, "graph.dat", {.dim = 4, .type = roxanne::ScalarType::kU8});
  ROX_CHECK(graph.is_ok() || graph.status().message().find("graph.dat") != std::string::npos);
  return 0;
}
