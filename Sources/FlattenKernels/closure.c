// Swift's closures, taken apart and called: what Swift itself has no words for.
#include "FlattenKernels.h"

// How Swift passes arguments, and where it passes what a closure has captured.
#define SWIFT __attribute__((swiftcall))
#define CAPTURED __attribute__((swift_context)) const void *

typedef SWIFT void piece(ptrdiff_t index, CAPTURED captured);
typedef SWIFT void borrower(const void *code, const void *captured, CAPTURED own);

// Declared where it is called, in FlattenTensor: each closure is two arguments here, and stays good until
// this returns.
SWIFT void fk_lend(piece *code, const void *captured, borrower *use, const void *own) {
  use((const void *)code, captured, own);
}

void fk_call(struct fk_closure closure, ptrdiff_t index) {
  ((piece *)closure.code)(index, closure.captured);
}
