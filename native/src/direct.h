// A convolution in tiles of registers, which read x where it lies: its patches are never laid out side by side.
#pragma once

#include <memory>

#include "form.h"

namespace deltarule {

// Whether it is the fastest form, and one that this processor and these numbers have.
bool is_direct(const Geometry& geometry);

std::unique_ptr<Form> direct(const Geometry& geometry);

}  // namespace deltarule
