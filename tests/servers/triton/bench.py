"""The figures of `tests/bench-triton` by Python's tritonclient. usage: bench.py HOST:PORT TURNS"""
import sys
import threading
import time

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.utils.shared_memory as shm

url, turns = sys.argv[1], int(sys.argv[2])


def inputs(names, shape):
    out = []
    for name in names:
        out.append(grpc.InferInput(name, shape, "FP32"))
        out[-1].set_data_from_numpy(np.ones(shape, np.float32))
    return out


def line(name, times):
    times = sorted(times)
    print(f"{name:44} {times[len(times) // 2] * 1e6:9.0f} {times[int(len(times) * .95)] * 1e6:9.0f}", flush=True)


def one_caller(name, model, make, calls):
    with grpc.InferenceServerClient(url) as client:
        times = []
        for _ in range(calls):
            started = time.perf_counter()
            client.infer(model, make())
            times.append(time.perf_counter() - started)
    line(name, times[calls // 10:])


def many_callers(callers, seconds):
    counts, stop = [], time.perf_counter() + seconds

    def caller():
        done = 0
        with grpc.InferenceServerClient(url) as client:
            while time.perf_counter() < stop:
                client.infer("add_sub", inputs(["INPUT0", "INPUT1"], [1, 16]))
                done += 1
        counts.append(done)

    threads = [threading.Thread(target=caller) for _ in range(callers)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(f"{callers} callers: {sum(counts) / seconds:.0f} calls/s")


print("\ntritonclient (Python): µs a call\n" + " " * 45 + "      p50       p95")
one_caller("add_sub", "add_sub", lambda: inputs(["INPUT0", "INPUT1"], [1, 16]), 100 * turns)
one_caller("detector", "detector", lambda: inputs(["images"], [1, 3, 640, 640]), 5 * turns)
size = 3 * 640 * 640 * 4
region = shm.create_shared_memory_region("bench", "/keynet_bench_py", size)
try:
    with grpc.InferenceServerClient(url) as admin:
        admin.register_system_shared_memory("bench", "/keynet_bench_py", size)

        def shared():
            shm.set_shared_memory_region(region, [np.ones((1, 3, 640, 640), np.float32)])
            one = grpc.InferInput("images", [1, 3, 640, 640], "FP32")
            one.set_shared_memory("bench", size)
            return [one]

        one_caller("detector, shared memory", "detector", shared, 5 * turns)
        admin.unregister_system_shared_memory("bench")
finally:
    shm.destroy_shared_memory_region(region)
many_callers(64, 0.25 * turns)
