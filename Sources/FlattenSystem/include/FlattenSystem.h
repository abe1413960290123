// What is asked of the operating system in C: signal handlers may call next to nothing, and some calls of
// Linux are not in Swift's modules.
#ifndef FLATTEN_SYSTEM_H
#define FLATTEN_SYSTEM_H

#include <stdbool.h>

#if defined(__clang__)
#pragma clang assume_nonnull begin
#else
#define _Nullable
#endif

// Temporary files.
//
// A file that is written under a temporary name is locked (flock) for as long as its descriptor is open,
// and remembered, so that a signal that ends the process can remove it. A file without a name needs
// neither. Thread-safe. Each call returns -1 (false) and sets errno where it fails.

// Makes a file that nothing has the name of, and opens it for writing; returns the descriptor.
int fs_create_temporary(const char *path);

// Gives a name that nothing has to an open file without one (O_TMPFILE). Needs /proc.
bool fs_name_temporary(int descriptor, const char *path);

// Gives a temporary file its final name, in the place of what has it. It is temporary no more.
bool fs_rename_temporary(const char *path, const char *target);

// Removes a temporary file.
void fs_remove_temporary(const char *path);

// Removes all temporary files of this process and lets nobody make another. May be called by a signal
// handler; the process has to end next.
void fs_remove_temporaries(void);

// Has a signal remove all temporary files and then end the process as it would have without. A signal that
// is ignored stays ignored.
void fs_remove_temporaries_on(int signal);

// Removes a temporary file that a process left behind: a regular file of this user that nobody has locked, or
// such a folder with the files in it. On a file system of another machine it must be a day old too, for not all
// of them pass on locks. `folder` is a descriptor, `name` stands in that folder.
bool fs_remove_left_over(int folder, const char *name);

// Makes a folder that nothing has the name of, and opens and locks it; returns the descriptor. The folder is
// temporary for as long as that is open: who clears up leaves it alone. Signals do not remove it.
int fs_create_temporary_folder(const char *path);

// Removes an empty folder, or one of nothing but files and links, with them.
bool fs_remove_folder_of_files(const char *path);

// Swaps two names: what was one is the other. Where the file system cannot do it in one step there is a moment
// in which `existing` has no name.
bool fs_exchange(const char *path, const char *existing);

// Processors that this thread may run on by its affinity mask (sched_setaffinity, taskset); 0 where the
// system has no such mask.
int fs_affine_processors(void);

// The arguments of this process, as the C library was given them; Swift's own need /proc. The count is 0
// where the C library does not hand them out (all but glibc).
int fs_argument_count(void);
const char *_Nullable fs_argument(int index);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
