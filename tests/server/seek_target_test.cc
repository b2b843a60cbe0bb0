// The target of a seek, taken piece by piece.
#include "server/core/subscription/cursor/seek_target.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eventhub {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Takes the next piece; shows its ranges.
std::vector<std::string> Take(SeekTarget& target, Offset end) {
  std::vector<UnsettledRange> ranges;
  target.EndPiece(end, &ranges);
  std::vector<std::string> shown;
  for (const UnsettledRange& range : ranges) {
    shown.push_back(absl::StrCat(range.start.value(), "-", range.end.value()));
  }
  return shown;
}

TEST(SeekTarget, PiecesHoldABoundedNumberOfRanges) {
  SeekTarget target(Offset(100),
                    {{Offset(10), Offset(20)},
                     {Offset(30), Offset(40)},
                     {Offset(40), Offset(41)},
                     {Offset(90), Offset(99)}},
                    Offset(0));
  EXPECT_EQ(target.first(), Offset(10));
  EXPECT_EQ(target.EndOfPiece(2), Offset(40));
  EXPECT_EQ(target.EndOfPiece(4), Offset(100));
  EXPECT_THAT(Take(target, Offset(15)), ElementsAre("10-15")) << "a piece may cut a range";
  EXPECT_EQ(target.done_to(), Offset(15));
  EXPECT_EQ(target.EndOfPiece(1), Offset(30));
  EXPECT_THAT(Take(target, Offset(30)), ElementsAre("15-20"));
  EXPECT_THAT(Take(target, target.EndOfPiece(2)), ElementsAre("30-40", "40-41"));
  EXPECT_THAT(Take(target, Offset(90)), IsEmpty());
  EXPECT_THAT(Take(target, target.EndOfPiece(1)), ElementsAre("90-99"));
  EXPECT_EQ(target.done_to(), target.next());
}

TEST(SeekTarget, TrimmedEventsAreAPieceOfTheirOwn) {
  SeekTarget target(Offset(50), {{Offset(10), Offset(30)}}, Offset(20));
  EXPECT_EQ(target.EndOfPiece(9), Offset(20));
  EXPECT_THAT(Take(target, Offset(20)), ElementsAre("10-20"));
  EXPECT_EQ(target.EndOfPiece(9), Offset(50));
  EXPECT_THAT(Take(target, Offset(50)), ElementsAre("20-30"));
}

TEST(SeekTarget, APositionThatIsTrimmedMovesUp) {
  SeekTarget target(Offset(5), {}, Offset(20));
  EXPECT_EQ(target.next(), Offset(20));
  EXPECT_EQ(target.first(), Offset(5));
  EXPECT_THAT(Take(target, target.EndOfPiece(9)), ElementsAre("5-20")) << "what is lost";
}

}  // namespace
}  // namespace eventhub
