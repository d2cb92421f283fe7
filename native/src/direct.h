// A convolution in tiles of registers, which read x where it lies: its patches are never laid out side by side.
#pragma once

#include <memory>

#include "form.h"

namespace deltarule {

// Nothing where another form is faster, or the only one.
std::unique_ptr<Form> direct(const Geometry& geometry);

}  // namespace deltarule
