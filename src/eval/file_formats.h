// The format's own doors behind vector_io.h, for open files: one pair a file format.
#pragma once

#include <memory>
#include <string>

#include "eval/input_file.h"
#include "eval/output_file.h"
#include "eval/vector_io.h"

namespace roxanne::eval {

using ReaderResult = Result<std::unique_ptr<VectorReader>>;
using WriterResult = Result<std::unique_ptr<VectorWriter>>;

ReaderResult open_bin_reader(InputFile input, FileFormat format);
ReaderResult open_vecs_reader(InputFile input, FileFormat format);
ReaderResult open_npy_reader(InputFile input);
// Opens the path itself: the library reads it, in a process of its own.
ReaderResult open_hdf5_reader(const std::string& path, const std::string& dataset);
ReaderResult open_jsonl_reader(std::unique_ptr<ByteSource> source, const std::string& name,
                               ScalarType type);

// The options' type and dim are checked by the caller.
WriterResult open_bin_writer(std::unique_ptr<OutputFile> output, const WriterOptions& options);
WriterResult open_vecs_writer(std::unique_ptr<OutputFile> output, const WriterOptions& options);
WriterResult open_npy_writer(std::unique_ptr<OutputFile> output, const WriterOptions& options);
WriterResult open_hdf5_writer(std::unique_ptr<OutputFile> output, const WriterOptions& options);
WriterResult open_jsonl_writer(std::unique_ptr<TextSink> sink, const WriterOptions& options);

// The scalar type of a format that holds just one; none for npy, hdf5 and jsonl.
std::optional<ScalarType> scalar_type_of(FileFormat format);

Result<GroundTruth> read_gt_bin(const InputFile& input);
Result<GroundTruth> read_ivecs(InputFile input);
Result<GroundTruth> read_hdf5_ground_truth(const std::string& path);

}  // namespace roxanne::eval
