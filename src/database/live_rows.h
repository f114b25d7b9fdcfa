// A version's rows in ascending order of slot, read from the vectors file as they are asked for.
#pragma once

#include "index/live_set.h"
#include "index/row_source.h"
#include "index/vector_store.h"
#include "roxanne/options.h"

namespace roxanne::database {

class LiveRows final : public index::RowSource {
 public:
  // All outlive this; none of the slots in `live` is written meanwhile.
  LiveRows(const index::VectorStore& vectors, const index::LiveSet& live,
           const CollectionOptions& options)
      : vectors_(vectors), live_(live), options_(options) {}

  uint64_t row_count() const override { return live_.count(); }
  Status scan(const Visit& visit) const override;

 private:
  const index::VectorStore& vectors_;
  const index::LiveSet& live_;
  const CollectionOptions& options_;
};

}  // namespace roxanne::database
