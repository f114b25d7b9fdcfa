// Lines of text, plain and compressed.
#include "eval/line_splitter.h"
#include "fuzz/vector_fuzzing.h"

namespace {

using roxanne::eval::ByteSource;
using roxanne::eval::LineReader;

// zstd may turn a small file into many lines; enough is enough.
constexpr size_t kLinesMax = 10000;

void read_lines(std::unique_ptr<ByteSource> source) {
  const std::unique_ptr<LineReader> reader =
      roxanne::eval::make_line_reader(std::move(source), "input");
  std::string line;
  for (size_t i = 0; i < kLinesMax; i++) {
    const roxanne::Result<bool> more = reader->next(line);
    if (!more.is_ok()) return roxanne::fuzz::check_error(more.status());
    if (!*more) break;
    ROX_CHECK(line.size() <= LineReader::kLineBytesMax);
    ROX_CHECK(line.find('\n') == std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  read_lines(roxanne::eval::file_source(roxanne::fuzz::input_of(bytes)));
  read_lines(roxanne::eval::zstd_source(roxanne::eval::file_source(roxanne::fuzz::input_of(bytes)),
                                        "input"));
  return 0;
}
