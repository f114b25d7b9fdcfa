// How c_test.c says what must hold.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roxanne/c.h"

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

// The call succeeds and leaves no message.
#define OK(call)                                                                                  \
  do {                                                                                            \
    char* message = (char*)"untouched";                                                           \
    const rox_status status_ = (call);                                                            \
    if (status_ != ROX_OK) {                                                                      \
      fprintf(stderr, "%s:%d: %s: %s: %s\n", __FILE__, __LINE__, #call, rox_status_name(status_), \
              message);                                                                           \
      exit(1);                                                                                    \
    }                                                                                             \
    CHECK(message == NULL);                                                                       \
  } while (0)

// The call fails so, with a message that has `part` in it.
#define FAILS(expected, part, call)                                                                \
  do {                                                                                             \
    char* message = NULL;                                                                          \
    const rox_status status_ = (call);                                                             \
    if (status_ != (expected) || message == NULL || strstr(message, part) == NULL) {               \
      fprintf(stderr, "%s:%d: %s: expected %s with '%s', got %s: %s\n", __FILE__, __LINE__, #call, \
              rox_status_name(expected), part, rox_status_name(status_),                           \
              message == NULL ? "(no message)" : message);                                         \
      exit(1);                                                                                     \
    }                                                                                              \
    rox_free(message);                                                                             \
  } while (0)
