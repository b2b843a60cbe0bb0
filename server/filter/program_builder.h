// Builds programs.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/filter/program.h"

namespace eventhub::filter {

// Appends instructions and tracks the depth of the stack. Not thread-safe.
class ProgramBuilder {
 public:
  ProgramBuilder() : program_(std::make_shared<Program>()) {}

  // Appends an instruction and returns its position. The depth is tracked as if it neither failed
  // nor jumped.
  size_t Emit(Op op, uint32_t a = 0, uint32_t b = 0);

  // Appends an instruction that pushes a constant; strings are copied.
  void EmitConstant(const Value& value);

  // The value that the last instruction, a kConstant, pushes.
  const Value& LastConstant() const { return program_->constants[program_->code.back().a]; }

  // Inserts an instruction that keeps the stack's depth before the one at `position`. Jumps across
  // that position must be set afterwards.
  void Insert(size_t position, const Instruction& instruction);

  // Makes the jump at `position` go to the end of the program so far.
  void JumpToHere(size_t position);

  // Removes everything from `position` on, where the stack was `depth` deep.
  void TakeBack(size_t position, uint32_t depth);

  // Replaces the instructions from `position` on, which have constant operands and push one value,
  // by that value. Returns false, changing nothing, if they fail: they must fail at run time.
  bool Fold(size_t position);

  size_t here() const { return program_->code.size(); }
  uint32_t depth() const { return depth_; }

  uint32_t Attribute(absl::string_view name) { return program_->attributes.Add(name); }
  uint32_t Pattern(absl::string_view pattern);
  // Takes `constants` whose strings already belong to the program.
  uint32_t Set(std::vector<Value> elements);
  // Adds a constant that no instruction pushes.
  uint32_t Constant(const Value& value);

  Program& program() { return *program_; }
  std::shared_ptr<const Program> Finish() { return std::move(program_); }

 private:
  std::shared_ptr<Program> program_;
  uint32_t depth_ = 0;
};

}  // namespace eventhub::filter
