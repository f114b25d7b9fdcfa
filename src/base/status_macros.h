// The two control-flow macros of the project, and its two assertions.
#pragma once

#include "roxanne/status.h"

#define ROX_CONCAT_INNER(a, b) a##b
#define ROX_CONCAT(a, b) ROX_CONCAT_INNER(a, b)

#define ROX_RETURN_IF_ERROR(expression)           \
  do {                                            \
    ::roxanne::Status rox_status_ = (expression); \
    if (!rox_status_.is_ok()) return rox_status_; \
  } while (false)

#define ROX_ASSIGN_OR_RETURN(declaration, expression) \
  ROX_ASSIGN_OR_RETURN_INNER(ROX_CONCAT(rox_result_, __LINE__), declaration, expression)
#define ROX_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                       \
  if (!result.is_ok()) return result.status();                      \
  declaration = std::move(result).value()

namespace roxanne::base {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace roxanne::base

// A mistake of ours; always on.
#define ROX_CHECK(condition) \
  ((condition) ? (void)0 : ::roxanne::base::check_failed(#condition, __FILE__, __LINE__))
// A mistake of ours; on in debug, sanitizer and fuzz builds.
#if defined(NDEBUG) && !defined(ROX_ASSERTIONS)
#define ROX_ASSERT(condition) ((void)sizeof(condition))
#else
#define ROX_ASSERT(condition) ROX_CHECK(condition)
#endif
