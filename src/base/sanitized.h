// Whether a sanitizer watches: it changes what memory costs and how long things take.
#pragma once

#if defined(__has_feature)  // clang's way to tell
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ROX_IS_SANITIZED true
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // g++'s
#define ROX_IS_SANITIZED true
#endif
#ifndef ROX_IS_SANITIZED
#define ROX_IS_SANITIZED false
#endif

namespace roxanne::base {

inline constexpr bool kIsSanitized = ROX_IS_SANITIZED;

}  // namespace roxanne::base

#undef ROX_IS_SANITIZED
