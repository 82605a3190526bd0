/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/wall.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <seccomp.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

static const char *const plain_calls[] = { "read", "readv", "write", "writev",
	"close", "close_range", "dup", "dup2", "dup3", "fcntl", "fstat",
	"newfstatat", "stat", "lstat", "statx", "lseek", "ioctl",
	/* waiting */
	"poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1",
	"epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2",
	"timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd4",
	"pipe", "pipe2", "nanosleep", "clock_nanosleep", "restart_syscall",
	/* memory */
	"mmap", "munmap", "mremap", "mprotect", "madvise", "brk",
	"memfd_create", "ftruncate",
	/* threads that are there, and the C library's own */
	"futex", "futex_waitv", "futex_wait", "futex_wake", "futex_requeue",
	"set_robust_list", "get_robust_list", "rseq", "set_tid_address",
	"sched_yield", "sched_getaffinity", "getcpu", "membarrier",
	"arch_prctl", "prctl",
	/* time, chance and oneself */
	"clock_gettime", "clock_getres", "gettimeofday", "time", "getrandom",
	"getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid",
	"getrusage", "getrlimit", "prlimit64", "uname", "sysinfo", "times",
	"umask",
	/* signals and the end */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait",
	"rt_sigpending", "sigaltstack", "tgkill", "tkill", "wait4", "waitid",
	"exit", "exit_group",
	/* sockets that are there */
	"sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg",
	"shutdown", "getsockname", "getpeername", "getsockopt", "setsockopt" };

static const char *const read_calls[] = { "pread64", "preadv", "access",
	"faccessat", "faccessat2", "readlink", "readlinkat", "getdents64",
	"getcwd", "statfs", "fstatfs", "fadvise64" };

static const char *const file_calls[] = { "open", "openat", "creat", "pwrite64",
	"pwritev", "rename", "renameat", "renameat2", "unlink", "unlinkat",
	"mkdir", "mkdirat", "fsync", "fdatasync", "sync_file_range",
	"sync_file_range2", "fallocate", "flock", "fchmod", "fchown" };

/* A dead UNIX socket has to be removed, a new one has its mode set. */
static const char *const net_calls[] = { "unlink", "chmod", "fchmodat",
	"connect", "bind", "listen", "accept", "accept4", "socketpair" };

static const char *const raw_calls[] = { "socket" };

static const char *const fork_calls[] = { "clone", "clone3", "fork", "vfork",
	"kill", "setpgid", "setsid" };

static const struct {
	unsigned group;
	const char *const *calls;
	size_t n;
} allowed[] = {
#define GROUP(group, calls)                                                    \
	{                                                                      \
		group, calls, sizeof(calls) / sizeof((calls)[0])               \
	}
	GROUP(WALL_PLAIN, plain_calls),
	GROUP(WALL_READ, read_calls),
	GROUP(WALL_FILES, file_calls),
	GROUP(WALL_NET, net_calls),
	GROUP(WALL_RAW, raw_calls),
	GROUP(WALL_FORK, fork_calls),
};

/* The kernel's own affairs. */
static const char *const denied[] = { "_sysctl", "acct", "add_key", "adjtimex",
	"bpf", "chroot", "clock_adjtime", "clock_settime", "create_module",
	"delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount",
	"fsopen", "fspick", "get_kernel_syms", "init_module", "io_uring_enter",
	"io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp",
	"kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mount",
	"mount_setattr", "move_mount", "move_pages", "name_to_handle_at",
	"nfsservctl", "open_by_handle_at", "open_tree", "perf_event_open",
	"personality", "pivot_root", "process_vm_readv", "process_vm_writev",
	"ptrace", "query_module", "quotactl", "quotactl_fd", "reboot",
	"request_key", "setdomainname", "sethostname", "setns", "settimeofday",
	"stime", "swapoff", "swapon", "syslog", "umount", "umount2", "unshare",
	"uselib", "userfaultfd", "vhangup", "vm86", "vm86old" };

/* ---- what to do at a violation ---- */

enum mode { MODE_ERRNO, MODE_TRAP, MODE_OFF };

static enum mode
wanted_mode(void)
{
	const char *text = getenv("ANYCASTD_WALL");

	if (IS_SANITIZED || (text != NULL && strcmp(text, "off") == 0))
		return MODE_OFF;
	return text != NULL && strcmp(text, "trap") == 0 ? MODE_TRAP
							 : MODE_ERRNO;
}

/* For tests only: not all of it may be called in a signal handler. */
static void
on_violation(int signo, siginfo_t *info, void *context)
{
	char *name =
	    seccomp_syscall_resolve_num_arch(info->si_arch, info->si_syscall);

	(void)context;
	(void)signal(signo, SIG_DFL);
	/* Not by log: it may open the time zone. */
	(void)dprintf(STDERR_FILENO,
	    "warning: wall: violation: system call %d (%s)\n", info->si_syscall,
	    name != NULL ? name : "?");
	abort();
}

static void
catch_violations(void)
{
	struct sigaction sa = { .sa_sigaction = on_violation,
		.sa_flags = SA_SIGINFO };

	(void)sigaction(SIGSYS, &sa, NULL);
}

/* ---- the filter ---- */

/* Calls that this kernel's headers or this machine do not have are no hole. */
static int
add(scmp_filter_ctx ctx, uint32_t action, const char *call)
{
	int nr = seccomp_syscall_resolve_name(call);
	int rc;

	if (nr == __NR_SCMP_ERROR)
		return 0;
	rc = seccomp_rule_add(ctx, action, nr, 0);
	return rc == -EEXIST || rc == -EDOM ? 0 : rc;
}

static int
add_all(scmp_filter_ctx ctx, uint32_t action, const char *const *calls,
    size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add(ctx, action, calls[i]);
	return rc;
}

static int
add_if(scmp_filter_ctx ctx, const char *call, struct scmp_arg_cmp cmp)
{
	int nr = seccomp_syscall_resolve_name(call);
	int rc;

	if (nr == __NR_SCMP_ERROR)
		return 0;
	rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, 1, &cmp);
	return rc == -EEXIST || rc == -EDOM ? 0 : rc;
}

/* Groups that look at an argument. */
static int
add_conditions(scmp_filter_ctx ctx, unsigned groups)
{
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6,
		AF_NETLINK };
	int rc = 0;

	if ((groups & WALL_READ) != 0 && (groups & WALL_FILES) == 0) {
		rc = add_if(ctx, "open",
		    SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDONLY));
		if (rc == 0) {
			rc = add_if(ctx, "openat",
			    SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDONLY));
		}
	}
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (rc == 0 && (groups & WALL_NET) != 0 &&
		    (groups & WALL_RAW) == 0) {
			rc = add_if(ctx, "socket",
			    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
		}
	}
	/* Without clone3, whose flags cannot be seen: ENOSYS makes the C
	 * library take clone. */
	if (rc == 0 && (groups & WALL_THREADS) != 0) {
		rc = add_if(ctx, "clone",
		    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	}
	return rc;
}

static int
fill(scmp_filter_ctx ctx, unsigned groups, uint32_t violation)
{
	int rc = 0;

	if ((groups & WALL_OPEN) != 0) {
		return add_all(ctx, violation, denied,
		    sizeof(denied) / sizeof(denied[0]));
	}
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		bool is_wanted = allowed[i].group == WALL_PLAIN ||
		    (groups & allowed[i].group) != 0;

		if (is_wanted && rc == 0) {
			rc = add_all(ctx, SCMP_ACT_ALLOW, allowed[i].calls,
			    allowed[i].n);
		}
	}
	return rc == 0 ? add_conditions(ctx, groups) : rc;
}

int
wall_raise(unsigned groups, struct err *err)
{
	enum mode mode = wanted_mode();
	uint32_t violation =
	    mode == MODE_TRAP ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(ENOSYS);
	scmp_filter_ctx ctx;
	int rc;

	if (groups == WALL_NONE || mode == MODE_OFF)
		return 0;
	ctx = seccomp_init((groups & WALL_OPEN) != 0 ? SCMP_ACT_ALLOW
						     : violation);
	if (ctx == NULL)
		return err_set(err, ERR_SYS, "seccomp: no filter");
	if (mode == MODE_TRAP)
		catch_violations();
	/* Refused by kernels that are too old: then nothing is logged. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1);
	rc = fill(ctx, groups, violation);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	if (rc < 0) {
		errno = -rc;
		return err_sys(err, "seccomp");
	}
	return 0;
}
