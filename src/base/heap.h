// How the process deals with memory that it has freed.
#pragma once

namespace assay {

// Keeps freed memory for the next allocation instead of handing it back to the system: layer after layer wants the same
// megabytes for its activations, and each page that comes anew costs a fault and is cleared first. Blocks of more than 32 MiB
// still come from the system and go back to it. Does nothing where the C library is not glibc. main() calls it once, before any
// other thread exists.
void keep_freed_memory();

}  // namespace assay
