#include "eval/npy_header.h"

#include <charconv>
#include <string>
#include <vector>

#include "base/status_macros.h"

namespace roxanne::eval {
namespace {

constexpr size_t kRankMax = 32;  // NumPy's own

struct TypeName {
  std::string_view name;
  ScalarType type;
};
constexpr TypeName kTypeNames[] = {
    {"<f4", ScalarType::kF32}, {"f4", ScalarType::kF32}, {"float32", ScalarType::kF32},
    {"<f2", ScalarType::kF16}, {"f2", ScalarType::kF16}, {"float16", ScalarType::kF16},
    {"|u1", ScalarType::kU8},  {"u1", ScalarType::kU8},  {"uint8", ScalarType::kU8},
    {"<u1", ScalarType::kU8},  {"|i1", ScalarType::kI8}, {"i1", ScalarType::kI8},
    {"int8", ScalarType::kI8}, {"<i1", ScalarType::kI8},
};

// Reads the few Python literals that NumPy writes. What went wrong and where is in error().
class PythonLiterals {
 public:
  explicit PythonLiterals(std::string_view text) : text_(text) {}

  bool take(char wanted) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    at_++;
    return true;
  }

  bool at_end() {
    skip_spaces();
    return at_ == text_.size();
  }

  Result<std::string_view> string() {
    skip_spaces();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') return expected("a quoted string");
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) return expected("a string with its closing quote");
    const std::string_view found = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return found;
  }

  Result<bool> boolean() {
    skip_spaces();
    for (const bool value : {false, true}) {
      const std::string_view name = value ? "True" : "False";
      if (!text_.substr(at_).starts_with(name)) continue;
      at_ += name.size();
      return value;
    }
    return expected("True or False");
  }

  Result<std::vector<uint64_t>> tuple() {
    if (!take('(')) return expected("a tuple");
    std::vector<uint64_t> numbers;
    while (!take(')')) {
      if (numbers.size() == kRankMax) return expected("at most 32 dimensions");
      skip_spaces();
      uint64_t number = 0;
      const auto parsed = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
      if (parsed.ec != std::errc()) return expected("a count below 2^64");
      at_ = static_cast<size_t>(parsed.ptr - text_.data());
      take('L');  // Python 2 wrote long integers so
      numbers.push_back(number);
      if (take(',')) continue;
      if (take(')')) break;
      return expected("\",\" or \")\"");
    }
    return numbers;
  }

  Status expected(const std::string& what) const {
    return Status::invalid_argument("expected " + what + " at character " + std::to_string(at_));
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) at_++;
  }

  std::string_view text_;
  size_t at_ = 0;
};

Result<ScalarType> type_of(std::string_view name) {
  for (const TypeName& known : kTypeNames) {
    if (name == known.name) return known.type;
  }
  std::string hint;
  if (name.starts_with('>')) hint = "; big-endian arrays are not read, save it little-endian";
  if (name.ends_with("f8")) hint = "; save it with .astype('float32')";
  return Status::invalid_argument("expected the type <f4, <f2, |u1 or |i1, found '" +
                                  std::string(name.substr(0, 32)) + "'" + hint);
}

// What the dictionary says, before it is judged.
struct Fields {
  std::string_view type_name;
  bool is_fortran = false;
  std::vector<uint64_t> shape;
  // How often each was there.
  int type_count = 0, order_count = 0, shape_count = 0;
};

Status parse_field(PythonLiterals& literals, Fields& fields) {
  ROX_ASSIGN_OR_RETURN(const std::string_view name, literals.string());
  if (!literals.take(':')) return literals.expected("\":\"");
  if (name == "descr") {
    fields.type_count++;
    ROX_ASSIGN_OR_RETURN(fields.type_name, literals.string());
  } else if (name == "fortran_order") {
    fields.order_count++;
    ROX_ASSIGN_OR_RETURN(fields.is_fortran, literals.boolean());
  } else if (name == "shape") {
    fields.shape_count++;
    ROX_ASSIGN_OR_RETURN(fields.shape, literals.tuple());
  } else {
    return literals.expected("descr, fortran_order or shape before the \":\"");
  }
  return Status::ok();
}

Result<Fields> parse_fields(std::string_view text) {
  PythonLiterals literals(text);
  if (!literals.take('{')) return literals.expected("\"{\"");
  Fields fields;
  while (!literals.take('}')) {
    ROX_RETURN_IF_ERROR(parse_field(literals, fields));
    if (literals.take(',')) continue;
    if (literals.take('}')) break;
    return literals.expected("\",\" or \"}\"");
  }
  if (!literals.at_end()) return literals.expected("only spaces after the dictionary");
  if (fields.type_count != 1 || fields.order_count != 1 || fields.shape_count != 1) {
    return Status::invalid_argument("expected descr, fortran_order and shape once each");
  }
  return fields;
}

}  // namespace

Result<NpyHeader> parse_npy_header(std::string_view text) {
  ROX_ASSIGN_OR_RETURN(const Fields fields, parse_fields(text));
  ROX_ASSIGN_OR_RETURN(const ScalarType type, type_of(fields.type_name));
  if (fields.shape.size() != 2) {
    return Status::invalid_argument("expected a 2-d array (rows, dimension), found " +
                                    std::to_string(fields.shape.size()) + " dimensions");
  }
  if (fields.is_fortran) {
    return Status::invalid_argument(
        "expected rows in C order, found fortran_order; save it with numpy.ascontiguousarray");
  }
  return NpyHeader{type, fields.shape[0], fields.shape[1]};
}

std::string_view npy_type_name(ScalarType type) {
  for (const TypeName& known : kTypeNames) {
    if (type == known.type) return known.name;
  }
  return {};
}

}  // namespace roxanne::eval
