// What oneDNN is, and what it finds in this processor.
#include <oneapi/dnnl/dnnl.h>

#include <string>

extern "C" const char* deltarule_onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  static const std::string text =
      std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
  return text.c_str();
}

// Whether products of bfloat16 numbers are instructions here; oneDNN imitates them elsewhere, slowly.
extern "C" int deltarule_onednn_has_bfloat16() {
  const int isa = dnnl_get_effective_cpu_isa();
  return isa != dnnl_cpu_isa_default && (isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}
