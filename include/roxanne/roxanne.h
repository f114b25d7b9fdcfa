// The whole C++ API in one include.
#pragma once

#include "roxanne/collection.h"
#include "roxanne/database.h"
#include "roxanne/options.h"
#include "roxanne/status.h"
#include "roxanne/types.h"
