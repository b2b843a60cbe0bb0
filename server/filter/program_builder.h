// Puts programs together.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/filter/program.h"

namespace eventhub::filter {

// Appends instructions and knows how deep the stack is after the last. Not thread-safe.
class ProgramBuilder {
 public:
  ProgramBuilder() : program_(std::make_shared<Program>()) {}

  // Appends an instruction; returns where it is. The one that fails or jumps counts as if it did
  // not.
  size_t Emit(Op op, uint32_t a = 0, uint32_t b = 0);

  // Appends what pushes a constant, of which strings are copied.
  void EmitConstant(const Value& value);

  // What the last instruction pushes, which is a kConstant.
  const Value& LastConstant() const { return program_->constants[program_->code.back().a]; }

  // Puts an instruction, that leaves the stack as deep as it is, before what is at `position`.
  // Jumps over that position stay right if they are set afterwards.
  void Insert(size_t position, const Instruction& instruction);

  // Makes the jump at `position` go to the end of what there is.
  void JumpToHere(size_t position);

  // Takes back all from `position` on, where the stack was `depth` deep.
  void TakeBack(size_t position, uint32_t depth);

  // Replaces the instructions from `position` on, which have constant operands and leave one value,
  // by that value. False, changing nothing, if they fail: they are to fail when they run, too.
  bool Fold(size_t position);

  size_t here() const { return program_->code.size(); }
  uint32_t depth() const { return depth_; }

  uint32_t Attribute(absl::string_view name) { return program_->attributes.Add(name); }
  uint32_t Pattern(absl::string_view pattern);
  // Of `constants`, whose strings are the program's already.
  uint32_t Set(std::vector<Value> elements);
  // A constant that no instruction pushes.
  uint32_t Constant(const Value& value);

  Program& program() { return *program_; }
  std::shared_ptr<const Program> Finish() { return std::move(program_); }

 private:
  std::shared_ptr<Program> program_;
  uint32_t depth_ = 0;
};

}  // namespace eventhub::filter
