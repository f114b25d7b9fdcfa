#include "storage/simulated_file_system.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "base/aligned_buffer.h"
#include "storage/test_text.h"

namespace roxanne::storage {
namespace {

constexpr PowerCutPolicy kPolicies[] = {PowerCutPolicy::kDropAll, PowerCutPolicy::kKeepAll,
                                        PowerCutPolicy::kRandom};
constexpr uint64_t kSeedCount = 200;

// With a directory /d and an open file /d/f, both durable and empty.
class SimulatedFiles : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(files_.create_directory("/d").is_ok());
    ASSERT_TRUE(files_.sync_directory("/").is_ok());
    file_ = open("/d/f", OpenMode::kCreate);
    ASSERT_TRUE(file_->sync().is_ok());
    ASSERT_TRUE(files_.sync_directory("/d").is_ok());
  }

  std::unique_ptr<File> open(const std::string& path, OpenMode mode) {
    auto file = files_.open(path, mode);
    EXPECT_TRUE(file.is_ok()) << file.status().to_string();
    return file.is_ok() ? *std::move(file) : nullptr;
  }
  void write(uint64_t offset, std::string_view text) {
    const Status status = file_->write(offset, bytes_of(text));
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }
  // What /d/f holds after a power cut now.
  std::string after_cut(PowerCutPolicy policy, uint64_t seed = 1) const {
    const auto copy = files_.clone();
    copy->power_cycle(seed, policy);
    return copy->read_file("/d/f").value();
  }
  std::vector<std::string> names_after_cut(PowerCutPolicy policy, uint64_t seed = 1) const {
    const auto copy = files_.clone();
    copy->power_cycle(seed, policy);
    std::vector<std::string> paths;
    for (const auto& info : copy->files()) paths.push_back(info.path);
    return paths;
  }

  SimulatedFileSystem files_{42};
  std::unique_ptr<File> file_;
};

using Names = std::vector<std::string>;

TEST_F(SimulatedFiles, ReadsSeeUnsyncedWrites) {
  write(0, "hello");
  write(3, "p!");
  EXPECT_EQ(files_.read_file("/d/f").value(), "help!");
  EXPECT_EQ(*file_->size(), 5u);
  char text[10];
  EXPECT_EQ(*open("/d/f", OpenMode::kRead)->read(1, std::as_writable_bytes(std::span(text))), 4u);
  EXPECT_EQ(std::string(text, 4), "elp!");
}

TEST_F(SimulatedFiles, SyncedWriteSurvivesUnsyncedMayNot) {
  write(0, "synced");
  ASSERT_TRUE(file_->sync().is_ok());
  write(0, "UNS");
  EXPECT_EQ(after_cut(PowerCutPolicy::kDropAll), "synced");
  EXPECT_EQ(after_cut(PowerCutPolicy::kKeepAll), "UNSced");
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
    seen.insert(after_cut(PowerCutPolicy::kRandom, seed));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"synced", "UNSced"}));
}

TEST_F(SimulatedFiles, UnsyncedWriteIsTornAtSectors) {
  write(0, std::string(1536, 'a'));
  ASSERT_TRUE(file_->sync().is_ok());
  write(256, std::string(1024, 'b'));  // over three sectors
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
    const std::string text = after_cut(PowerCutPolicy::kRandom, seed);
    ASSERT_EQ(text.size(), 1536u);
    for (size_t i = 0; i < text.size(); ++i) {
      if (i < 256 || i >= 1280) {
        ASSERT_EQ(text[i], 'a') << i << " seed " << seed;
      }
      // Within a sector the write is whole or absent.
      if (i > 256 && i < 1280 && i % 512 != 0) {
        ASSERT_EQ(text[i], text[i - 1]) << "seed " << seed;
      }
    }
    seen.insert(text);
  }
  EXPECT_EQ(seen.size(), 8u);  // every combination of three sectors
}

TEST_F(SimulatedFiles, LaterWriteMaySurviveAnEarlierOne) {
  write(0, "1");
  write(1024, "2");
  bool later_only = false;
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
    const std::string text = after_cut(PowerCutPolicy::kRandom, seed);
    if (text.size() < 1025) continue;
    EXPECT_EQ(text[1024], '2');
    later_only |= text[0] == '\0';  // a sector never written reads as zeros
  }
  EXPECT_TRUE(later_only);
}

TEST_F(SimulatedFiles, GrownSizeSurvivesAnywhereUpToTheLastKeptSector) {
  write(0, "begin");
  ASSERT_TRUE(file_->sync().is_ok());
  write(5, std::string(2000, 'x'));
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
    const std::string text = after_cut(PowerCutPolicy::kRandom, seed);
    EXPECT_EQ(text.substr(0, 5), "begin");
    EXPECT_LE(text.size(), 2005u);
    sizes.insert(text.size());
  }
  EXPECT_EQ(sizes.count(5), 1u);
  EXPECT_EQ(sizes.count(2005), 1u);
  EXPECT_GT(sizes.size(), 10u);
}

TEST_F(SimulatedFiles, UnsyncedTruncateMayRevert) {
  write(0, "hello");
  ASSERT_TRUE(file_->sync().is_ok());
  ASSERT_TRUE(file_->truncate(2).is_ok());
  EXPECT_EQ(after_cut(PowerCutPolicy::kDropAll), "hello");
  EXPECT_EQ(after_cut(PowerCutPolicy::kKeepAll), "he");
  ASSERT_TRUE(file_->sync().is_ok());
  EXPECT_EQ(after_cut(PowerCutPolicy::kDropAll), "he");
}

TEST_F(SimulatedFiles, UnsyncedNameVanishesThoughItsBytesWereSynced) {
  const auto made = open("/d/g", OpenMode::kCreate);
  ASSERT_TRUE(made->write(0, bytes_of("x")).is_ok());
  ASSERT_TRUE(made->sync().is_ok());
  EXPECT_EQ(names_after_cut(PowerCutPolicy::kDropAll), Names{"/d/f"});
  EXPECT_EQ(names_after_cut(PowerCutPolicy::kKeepAll), (Names{"/d/f", "/d/g"}));
  ASSERT_TRUE(files_.sync_directory("/d").is_ok());
  for (const PowerCutPolicy policy : kPolicies) {
    EXPECT_EQ(names_after_cut(policy), (Names{"/d/f", "/d/g"}));
  }
}

TEST_F(SimulatedFiles, SyncedNameDoesNotSaveUnsyncedBytes) {
  write(0, "bytes");
  ASSERT_TRUE(files_.sync_directory("/d").is_ok());
  EXPECT_EQ(after_cut(PowerCutPolicy::kDropAll), "");
}

TEST_F(SimulatedFiles, UnsyncedRenameRevertsToBothOldFiles) {
  const auto made = open("/d/new", OpenMode::kCreate);
  ASSERT_TRUE(made->write(0, bytes_of("new")).is_ok());
  ASSERT_TRUE(made->sync().is_ok());
  ASSERT_TRUE(files_.sync_directory("/d").is_ok());
  ASSERT_TRUE(files_.rename("/d/new", "/d/f").is_ok());
  EXPECT_EQ(files_.read_file("/d/f").value(), "new");
  EXPECT_EQ(names_after_cut(PowerCutPolicy::kDropAll), (Names{"/d/f", "/d/new"}));
  EXPECT_EQ(after_cut(PowerCutPolicy::kDropAll), "");
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {  // never half of it
    const bool kept = after_cut(PowerCutPolicy::kRandom, seed) == "new";
    EXPECT_EQ(names_after_cut(PowerCutPolicy::kRandom, seed).size(), kept ? 1u : 2u);
  }
  ASSERT_TRUE(files_.sync_directory("/d").is_ok());
  EXPECT_EQ(after_cut(PowerCutPolicy::kDropAll), "new");
  EXPECT_EQ(names_after_cut(PowerCutPolicy::kDropAll), Names{"/d/f"});
}

TEST_F(SimulatedFiles, UnsyncedRemoveAndLinkRevert) {
  ASSERT_TRUE(files_.link("/d/f", "/d/g").is_ok());
  ASSERT_TRUE(files_.remove("/d/f").is_ok());
  EXPECT_EQ(names_after_cut(PowerCutPolicy::kDropAll), Names{"/d/f"});
  EXPECT_EQ(names_after_cut(PowerCutPolicy::kKeepAll), Names{"/d/g"});
  std::set<Names> seen;
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
    seen.insert(names_after_cut(PowerCutPolicy::kRandom, seed));
  }
  // A journal loses its end only: the removal never survives without the link.
  EXPECT_EQ(seen, (std::set<Names>{{"/d/f"}, {"/d/f", "/d/g"}, {"/d/g"}}));
}

TEST_F(SimulatedFiles, UnsyncedDirectoryVanishesWithAllInIt) {
  ASSERT_TRUE(files_.create_directory("/d/e").is_ok());
  ASSERT_TRUE(open("/d/e/g", OpenMode::kCreate)->sync().is_ok());
  ASSERT_TRUE(files_.sync_directory("/d/e").is_ok());
  EXPECT_EQ(names_after_cut(PowerCutPolicy::kDropAll), Names{"/d/f"});
  ASSERT_TRUE(files_.sync_directory("/d").is_ok());
  EXPECT_EQ(names_after_cut(PowerCutPolicy::kDropAll), (Names{"/d/e/g", "/d/f"}));
}

TEST_F(SimulatedFiles, RenameBetweenDirectoriesIsOneChange) {
  ASSERT_TRUE(files_.create_directory("/e").is_ok());
  ASSERT_TRUE(files_.sync_directory("/").is_ok());
  ASSERT_TRUE(files_.rename("/d/f", "/e/f").is_ok());
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
    EXPECT_EQ(names_after_cut(PowerCutPolicy::kRandom, seed).size(), 1u);
  }
  ASSERT_TRUE(files_.sync_directory("/d").is_ok());
  EXPECT_EQ(names_after_cut(PowerCutPolicy::kDropAll), Names{"/e/f"});
}

TEST_F(SimulatedFiles, FailedSyncLosesItsWritesForGood) {
  write(0, "lost");
  files_.inject({Operation::kSync, 1, StatusCode::kIoError, false, "/d/f"});
  EXPECT_EQ(file_->sync().code(), StatusCode::kIoError);
  write(512, "later");
  EXPECT_TRUE(file_->sync().is_ok());
  EXPECT_EQ(files_.read_file("/d/f").value().substr(0, 4), "lost");  // still readable
  const std::string text = after_cut(PowerCutPolicy::kDropAll);
  EXPECT_EQ(text.substr(0, 4), std::string(4, '\0'));
  EXPECT_EQ(text.substr(512), "later");
  write(0, "once more");
  EXPECT_TRUE(file_->sync().is_ok());
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
    EXPECT_EQ(after_cut(PowerCutPolicy::kRandom, seed).substr(0, 9), "once more");
  }
}

TEST_F(SimulatedFiles, CrashFailsTheNthChangeAndEverythingAfter) {
  const uint64_t before = files_.operation_count();
  files_.set_crash_at(2);
  write(0, "one");
  EXPECT_FALSE(files_.has_crashed());
  const Status status = file_->write(512, bytes_of("two"));
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_EQ(status.message(), "write /d/f: simulated power cut");
  EXPECT_TRUE(files_.has_crashed());
  EXPECT_FALSE(file_->sync().is_ok());
  EXPECT_FALSE(file_->size().is_ok());
  EXPECT_FALSE(file_->read(0, {}).is_ok());
  EXPECT_FALSE(files_.exists("/d/f").is_ok());
  EXPECT_FALSE(files_.open("/d/f", OpenMode::kRead).is_ok());
  EXPECT_FALSE(files_.lock("/d/LOCK", LockMode::kExclusive).is_ok());
  EXPECT_EQ(files_.operation_count(), before + 3);

  files_.power_cycle(1, PowerCutPolicy::kDropAll);
  EXPECT_EQ(files_.read_file("/d/f").value(), "");
  EXPECT_FALSE(file_->write(0, bytes_of("x")).is_ok());  // of another life
  EXPECT_TRUE(open("/d/f", OpenMode::kReadWrite)->write(0, bytes_of("x")).is_ok());
}

TEST_F(SimulatedFiles, InterruptedWriteIsTornAndInterruptedSyncUndecided) {
  std::set<std::string> torn;
  std::set<std::string> synced;
  for (uint64_t seed = 0; seed < kSeedCount; ++seed) {
    SimulatedFileSystem files(seed);
    {
      const auto file = *files.open("/f", OpenMode::kCreate);
      ASSERT_TRUE(files.sync_directory("/").is_ok());
      files.set_crash_at(1);
      EXPECT_FALSE(file->write(0, bytes_of(std::string(1024, 'x'))).is_ok());
      files.power_cycle(seed, PowerCutPolicy::kKeepAll);
      torn.insert(files.read_file("/f").value());
    }
    const auto file = *files.open("/f", OpenMode::kCreate);
    ASSERT_TRUE(file->write(0, bytes_of("y")).is_ok());
    files.set_crash_at(1);
    EXPECT_FALSE(file->sync().is_ok());
    files.power_cycle(seed, PowerCutPolicy::kDropAll);
    synced.insert(files.read_file("/f").value().substr(0, 1));
  }
  EXPECT_EQ(torn.size(), 4u);
  EXPECT_EQ(synced.count("y"), 1u);
  EXPECT_GT(synced.size(), 1u);
}

TEST_F(SimulatedFiles, SameSeedGivesTheSameState) {
  write(0, std::string(100'000, 'x'));
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(after_cut(PowerCutPolicy::kRandom, seed), after_cut(PowerCutPolicy::kRandom, seed));
  }
}

TEST_F(SimulatedFiles, FaultStrikesTheChosenOccurrence) {
  files_.inject({Operation::kWrite, 2, StatusCode::kDiskFull, false, "/d/f"});
  const auto other = open("/d/g", OpenMode::kCreate);
  write(0, "a");
  EXPECT_TRUE(other->write(0, bytes_of("x")).is_ok());
  EXPECT_EQ(file_->write(0, bytes_of("b")).code(), StatusCode::kDiskFull);
  EXPECT_EQ(files_.read_file("/d/f").value(), "a");
  write(0, "c");

  files_.inject({Operation::kRead, 1, StatusCode::kIoError, true, ""});
  EXPECT_FALSE(file_->read(0, {}).is_ok());
  EXPECT_FALSE(other->read(0, {}).is_ok());
  files_.clear_faults();
  EXPECT_TRUE(file_->read(0, {}).is_ok());

  files_.inject({Operation::kRename, 1, StatusCode::kReadOnly, false, ""});
  EXPECT_EQ(files_.rename("/d/f", "/d/h").code(), StatusCode::kReadOnly);
  EXPECT_TRUE(*files_.exists("/d/f"));
}

TEST_F(SimulatedFiles, FullDiskRefusesWhatNeedsNewPages) {
  files_.set_capacity_bytes(3 * 4096);
  EXPECT_EQ(*files_.free_bytes("/d"), 3u * 4096);
  write(0, std::string(5000, 'x'));
  EXPECT_EQ(*files_.free_bytes("/d"), 4096u);
  EXPECT_EQ(file_->write(8000, bytes_of(std::string(5000, 'x'))).code(), StatusCode::kDiskFull);
  EXPECT_EQ(file_->allocate(8192, 4097).code(), StatusCode::kDiskFull);
  EXPECT_EQ(*file_->size(), 5000u);
  write(100, "in place");
  ASSERT_TRUE(file_->allocate(8192, 4096).is_ok());
  EXPECT_EQ(*file_->size(), 3u * 4096);
  EXPECT_EQ(*files_.free_bytes("/d"), 0u);
  write(8192, std::string(4096, 'y'));  // what was reserved is there
  ASSERT_TRUE(file_->punch_hole(4096, 4096).is_ok());
  EXPECT_EQ(*file_->allocated_bytes(), 2u * 4096);
  EXPECT_EQ(files_.read_file("/d/f").value().substr(4096, 4096), std::string(4096, '\0'));
  ASSERT_TRUE(files_.remove("/d/f").is_ok());
  EXPECT_EQ(*files_.free_bytes("/d"), 3u * 4096);
}

TEST_F(SimulatedFiles, FlippedByteIsReadAndStays) {
  write(0, "abc");
  ASSERT_TRUE(file_->sync().is_ok());
  write(2, "d");
  ASSERT_TRUE(files_.flip_byte("/d/f", 0, std::byte{1}).is_ok());
  ASSERT_TRUE(files_.flip_byte("/d/f", 2, std::byte{1}).is_ok());
  EXPECT_EQ(files_.read_file("/d/f").value(), "`be");
  EXPECT_EQ(after_cut(PowerCutPolicy::kDropAll), "`bb");
  EXPECT_EQ(after_cut(PowerCutPolicy::kKeepAll), "`be");
  EXPECT_EQ(files_.flip_byte("/d/f", 3, std::byte{1}).code(), StatusCode::kInvalidArgument);
}

TEST_F(SimulatedFiles, CloneIsIndependent) {
  write(0, "one");
  const auto copy = files_.clone();
  write(0, "two");
  ASSERT_TRUE(copy->remove("/d/f").is_ok());
  EXPECT_EQ(files_.read_file("/d/f").value(), "two");
  EXPECT_EQ(files_.files().size(), 1u);
  EXPECT_EQ(files_.files()[0].size, 3u);
  EXPECT_TRUE(copy->files().empty());
}

TEST_F(SimulatedFiles, LocksConflictAndVanishWithThePower) {
  EXPECT_EQ(files_.lock("/d/LOCK", LockMode::kShared).status().code(), StatusCode::kNotFound);
  auto exclusive = files_.lock("/d/LOCK", LockMode::kExclusive);
  ASSERT_TRUE(exclusive.is_ok());
  const Status status = files_.lock("/d/LOCK", LockMode::kShared).status();
  EXPECT_EQ(status.code(), StatusCode::kLocked);
  EXPECT_NE(status.message().find("process " + files_.read_file("/d/LOCK")->substr(0, 1)),
            std::string::npos);
  *exclusive = nullptr;
  auto one = files_.lock("/d/LOCK", LockMode::kShared);
  auto two = files_.lock("/d/LOCK", LockMode::kShared);
  ASSERT_TRUE(one.is_ok() && two.is_ok());
  EXPECT_EQ(files_.lock("/d/LOCK", LockMode::kExclusive).status().code(), StatusCode::kLocked);
  files_.power_cycle(1, PowerCutPolicy::kKeepAll);
  auto after = files_.lock("/d/LOCK", LockMode::kExclusive);
  ASSERT_TRUE(after.is_ok());
  *one = nullptr;  // a lock of another life frees nothing
  EXPECT_EQ(files_.lock("/d/LOCK", LockMode::kShared).status().code(), StatusCode::kLocked);
}

TEST_F(SimulatedFiles, RefusesWhatASystemRefuses) {
  EXPECT_EQ(files_.open("/none", OpenMode::kRead).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(files_.open("/none/f", OpenMode::kCreate).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(files_.open("/d", OpenMode::kReadWrite).status().code(), StatusCode::kIoError);
  EXPECT_EQ(files_.list("/none").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(files_.remove("/d").code(), StatusCode::kIoError);
  EXPECT_EQ(files_.remove_directory("/d").code(), StatusCode::kIoError);
  EXPECT_EQ(files_.rename("/none", "/d/g").code(), StatusCode::kNotFound);
  EXPECT_EQ(files_.rename("/d", "/d/e").code(), StatusCode::kIoError);
  EXPECT_EQ(files_.rename("/d/f", "/d").code(), StatusCode::kIoError);
  EXPECT_EQ(files_.link("/d/f", "/d/f").code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(files_.create_directory("/d/f").code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(files_.create_directory("/d").is_ok());
  EXPECT_FALSE(open("/d/f", OpenMode::kRead)->write(0, bytes_of("x")).is_ok());
  EXPECT_EQ(*files_.list("//d/."), Names{"f"});
  EXPECT_TRUE(*files_.is_directory("/d"));
  EXPECT_FALSE(*files_.exists("/d/f/g"));
}

TEST_F(SimulatedFiles, DirectReadsMustBeAligned) {
  write(0, std::string(5000, 'x'));
  const auto direct = open("/d/f", OpenMode::kReadDirect);
  base::AlignedBuffer buffer(2 * base::kPageBytes);
  EXPECT_EQ(*direct->read(0, buffer.span()), 5000u);
  EXPECT_FALSE(direct->read(1, buffer.span()).is_ok());
  EXPECT_FALSE(direct->read(0, buffer.span().first(100)).is_ok());
  EXPECT_FALSE(direct->read(0, buffer.span().subspan(1)).is_ok());
}

TEST_F(SimulatedFiles, DirectWritesMustBeAligned) {
  write(0, "x");
  const auto direct = open("/d/f", OpenMode::kReadWriteDirect);
  base::AlignedBuffer buffer(2 * base::kPageBytes);
  EXPECT_TRUE(direct->write(base::kPageBytes, buffer.span()).is_ok());
  EXPECT_FALSE(direct->write(1, buffer.span()).is_ok());
  EXPECT_FALSE(direct->write(0, buffer.span().first(100)).is_ok());
  EXPECT_FALSE(direct->write(0, buffer.span().subspan(1)).is_ok());
}

TEST_F(SimulatedFiles, ServesManyThreads) {
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      const std::string path = "/d/t" + std::to_string(t);
      for (int i = 0; i < 200; ++i) {
        const auto file = files_.open(path, OpenMode::kReadWrite);
        EXPECT_TRUE((*file)->write(static_cast<uint64_t>(i), bytes_of("x")).is_ok());
        EXPECT_TRUE((*file)->sync().is_ok());
        EXPECT_TRUE(files_.sync_directory("/d").is_ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  files_.power_cycle(1, PowerCutPolicy::kDropAll);
  for (int t = 0; t < 4; ++t) {
    EXPECT_EQ(files_.read_file("/d/t" + std::to_string(t)).value(), std::string(200, 'x'));
  }
}

}  // namespace
}  // namespace roxanne::storage
