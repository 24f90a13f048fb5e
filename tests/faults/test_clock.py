"""Clocks that go backwards: between two runs, and in the middle of one."""

import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DAY = 86_400
# What the clock says beside the truth, in seconds, is the first eight bytes of the file CLOCK.
SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *ahead;

__attribute__((constructor)) static void look(void) {
    int file = open(getenv("CLOCK"), O_RDONLY);
    ahead = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
    close(file);
}
int clock_gettime(clockid_t which, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(which, now);
    if (!failed && which == CLOCK_REALTIME && ahead) now->tv_sec += *ahead;
    return failed;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec fine;
    clock_gettime(CLOCK_REALTIME, &fine);
    now->tv_sec = fine.tv_sec;
    now->tv_usec = fine.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *where) {
    struct timespec fine;
    clock_gettime(CLOCK_REALTIME, &fine);
    if (where) *where = fine.tv_sec;
    return fine.tv_sec;
}
"""
SNAKEFILE = """
rule all:
    input: "results/b"
rule a:
    output: "results/a"
    shell: "echo a > {output}"
rule b:
    input: "results/a"
    output: "results/b"
    shell: "cat {input} > {output}"
"""
# The clock is a day ahead when `a` is made, and its file with it; `b` is made after somebody saw that.
SET_BACK = SNAKEFILE.replace("echo a > {output}", "echo a > {output}; touch -d '1 day' {output}").replace(
    "cat {input} > {output}", "cat {input} > {output}; head -c 8 /dev/zero | dd of=$CLOCK conv=notrunc"
)


@pytest.fixture
def run(tmp_path: Path):
    """Snakemake with our profile: what it said."""
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")

    def go(*more: str, **variables: str) -> str:
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *more]
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return go


def test_a_clock_set_back_makes_nothing_for_ever(run, tmp_path: Path) -> None:
    """Made by a clock that was a day ahead: what depends on it is made once more, and that is all."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    run()
    tomorrow = time.time() + DAY
    os.utime(tmp_path / "results/a", (tomorrow, tomorrow))
    run()
    assert "Nothing to be done" in run("--dry-run")


def test_a_clock_set_back_within_a_run(run, tmp_path: Path) -> None:
    """The processes' own clock jumps back a day between two jobs: the run ends, and the next ones settle."""
    (tmp_path / "shim.c").write_text(SHIM)
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "shim.c", "-o", "shim.so", "-ldl"], cwd=tmp_path, check=True
    )
    clock = tmp_path / "clock"
    clock.write_bytes(struct.pack("q", DAY))
    shimmed = {"LD_PRELOAD": str(tmp_path / "shim.so"), "CLOCK": str(clock)}
    asked = [sys.executable, "-c", "import time; print(time.time())"]

    def ahead() -> float:
        said = subprocess.run(asked, env=os.environ | shimmed, check=True, capture_output=True, text=True)
        return float(said.stdout) - time.time()

    assert abs(ahead() - DAY) < 60, "the clock of the test does not run ahead"
    (tmp_path / "Snakefile").write_text(SET_BACK)
    run(**shimmed)
    assert abs(ahead()) < 60, "nobody set the clock back"
    assert (tmp_path / "results/b").read_text() == "a\n"
    run(**shimmed)
    assert "Nothing to be done" in run("--dry-run", **shimmed)
    assert (tmp_path / "results/b").read_text() == "a\n"
