//! A small pool of threads for work measured in microseconds.
//!
//! The caller works too, tasks are handed out by one atomic counter, and workers spin for a while
//! before they sleep: waking a sleeping thread costs more than many of the phases run here.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a worker without work spins before it sleeps.
const SPIN: Duration = Duration::from_micros(50);

/// Spins between two looks at the clock.
const SPINS_PER_LOOK: u32 = 64;

type Task<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// Threads that share the tasks of one [`run`](Pool::run) at a time.
///
/// On wasm32, and with one thread, everything runs in the calling thread.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    busy: AtomicBool,
}

/// One run as its workers see it.
#[derive(Clone, Copy)]
struct Job {
    task: *const Task<'static>,
    tasks: usize,
}

// SAFETY: `task` points to a `Sync` closure, and `Pool::run` outlives every use of it.
unsafe impl Send for Job {}

struct Shared {
    /// `epoch << 32 | joined << 1 | open`: which run it is, how many workers take part in it, and
    /// whether more may join.
    state: AtomicU64,
    job: Mutex<Option<Job>>,
    next: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    stop: AtomicBool,
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
}

const OPEN: u64 = 1;
const JOINED: u64 = 2;
const EPOCH: u64 = 1 << 32;

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Locks even after a panic elsewhere: no lock here is held while foreign code runs.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// A pool of `threads` threads, the caller's included; 0 counts as 1.
    ///
    /// Where the system refuses to start a thread the pool goes on with fewer: see
    /// [`threads`](Self::threads).
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: Mutex::new(None),
            next: AtomicUsize::new(0),
            panic: Mutex::new(None),
            stop: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
        });
        let wanted = if cfg!(target_arch = "wasm32") { 1 } else { threads.max(1) };
        let mut workers = Vec::with_capacity(wanted - 1);
        for index in 1..wanted {
            let shared = Arc::clone(&shared);
            let name = format!("m2-cpu-{index}");
            let spawned = std::thread::Builder::new().name(name).spawn(move || shared.work(index));
            match spawned {
                Ok(worker) => workers.push(worker),
                Err(_) => break,
            }
        }
        Self { shared, workers, busy: AtomicBool::new(false) }
    }

    /// Threads that take part in a run, the caller's included; at least 1.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `task(index, thread)` once for every `index < tasks` and returns when all are done.
    ///
    /// `thread < self.threads()` names the running thread, the caller being 0: within one run no
    /// two calls with the same `thread` overlap, so it may select scratch memory. Indices are
    /// handed out in rising order.
    ///
    /// Where the pool is already running, because a task calls `run` or another thread does, the
    /// tasks run one after the other in the calling thread with `thread` 0: correct, never a
    /// deadlock, and not parallel.
    ///
    /// # Panics
    /// With the payload of a task that panicked, after the tasks already begun have ended. Those
    /// not begun are dropped. The pool stays usable.
    pub fn run(&self, tasks: usize, task: &(dyn Fn(usize, usize) + Sync)) {
        let alone = tasks <= 1 || self.workers.is_empty();
        if alone || self.busy.swap(true, Ordering::Acquire) {
            (0..tasks).for_each(|index| task(index, 0));
            return;
        }
        self.publish(tasks, task);
        self.shared.take_tasks(task, tasks, 0);
        self.close();
        let panic = lock(&self.shared.panic).take();
        self.busy.store(false, Ordering::Release);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }

    fn publish(&self, tasks: usize, task: &Task<'_>) {
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes. `close` ends the run before `run` returns, and after
        // it no worker can reach the pointer.
        let task = unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task) };
        *lock(&shared.job) = Some(Job { task, tasks });
        shared.next.store(0, Ordering::Relaxed);
        // No worker is joined now, so only this thread writes the state.
        let epoch = shared.state.load(Ordering::Relaxed) & !(EPOCH - 1);
        shared.state.store(epoch.wrapping_add(EPOCH) | OPEN, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            let _guard = lock(&shared.sleep);
            if tasks > self.workers.len() {
                shared.wake.notify_all();
            } else {
                (1..tasks).for_each(|_| shared.wake.notify_one());
            }
        }
    }

    /// Lets no more workers in and waits for those inside.
    fn close(&self) {
        let shared = &*self.shared;
        shared.state.fetch_and(!OPEN, Ordering::AcqRel);
        let mut spins = Spins::new();
        while shared.state.load(Ordering::Acquire) & (EPOCH - 1) != 0 {
            if !spins.spin() {
                std::thread::yield_now();
            }
        }
        *lock(&shared.job) = None;
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        {
            let _guard = lock(&self.shared.sleep);
            self.shared.wake.notify_all();
        }
        for worker in self.workers.drain(..) {
            // A worker catches the panics of tasks and has none of its own.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// The life of a worker.
    fn work(&self, thread: usize) {
        let mut seen = 0;
        while self.wait(seen) {
            let state = self.state.load(Ordering::Relaxed);
            let joined = state + JOINED;
            let is_new = state & OPEN != 0 && state >> 32 != seen;
            if !is_new
                || self
                    .state
                    .compare_exchange(state, joined, Ordering::AcqRel, Ordering::Relaxed)
                    .is_err()
            {
                // The run closed, or another worker joined at the same moment: look again.
                continue;
            }
            seen = state >> 32;
            let job = *lock(&self.job);
            if let Some(job) = job {
                // SAFETY: having joined, this worker is waited for by `close`, so the closure
                // lives until the `fetch_sub` below.
                let task = unsafe { &*job.task };
                self.take_tasks(task, job.tasks, thread);
            }
            self.state.fetch_sub(JOINED, Ordering::AcqRel);
        }
    }

    /// Waits for a run other than `seen`; false when the pool ends.
    fn wait(&self, seen: u64) -> bool {
        let ready = || {
            self.stop.load(Ordering::SeqCst) || {
                let state = self.state.load(Ordering::SeqCst);
                state >> 32 != seen && state & OPEN != 0
            }
        };
        let mut spins = Spins::new();
        while !ready() && spins.spin() {}
        if !ready() {
            let mut guard = lock(&self.sleep);
            // Announced before the last look: a caller that publishes after that look sees the
            // sleeper and must take the lock to wake it.
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            while !ready() {
                guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
        !self.stop.load(Ordering::SeqCst)
    }

    /// Runs tasks until none is left.
    fn take_tasks(&self, task: &Task<'_>, tasks: usize, thread: usize) {
        let run = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let index = self.next.fetch_add(1, Ordering::Relaxed);
                if index >= tasks {
                    break;
                }
                task(index, thread);
            }
        }));
        if let Err(payload) = run {
            self.next.store(tasks, Ordering::Relaxed);
            lock(&self.panic).get_or_insert(payload);
        }
    }
}

/// A spinning wait that ends after [`SPIN`].
struct Spins {
    count: u32,
    start: Option<Instant>,
}

impl Spins {
    fn new() -> Self {
        Self { count: 0, start: None }
    }

    /// One turn; false once the time is over.
    fn spin(&mut self) -> bool {
        std::hint::spin_loop();
        self.count += 1;
        if !self.count.is_multiple_of(SPINS_PER_LOOK) || cfg!(target_arch = "wasm32") {
            return true;
        }
        self.start.get_or_insert_with(Instant::now).elapsed() < SPIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_and_threads_never_overlap() {
        for threads in [0, 1, 2, 5] {
            let pool = Pool::new(threads);
            for tasks in [0, 1, 2, 3, 100] {
                let counts: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                let inside: Vec<_> = (0..pool.threads()).map(|_| AtomicBool::new(false)).collect();
                pool.run(tasks, &|index, thread| {
                    assert!(!inside[thread].swap(true, Ordering::SeqCst));
                    counts[index].fetch_add(1, Ordering::SeqCst);
                    inside[thread].store(false, Ordering::SeqCst);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::SeqCst) == 1));
            }
        }
    }

    #[test]
    fn many_short_runs_with_and_without_pauses() {
        let pool = Pool::new(3);
        let sum = AtomicUsize::new(0);
        for round in 0..2000 {
            pool.run(4, &|index, _| {
                sum.fetch_add(index + 1, Ordering::Relaxed);
            });
            if round % 200 == 0 {
                // Long enough for the workers to fall asleep.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(sum.load(Ordering::Relaxed), 2000 * 10);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_survives() {
        let pool = Pool::new(2);
        for _ in 0..20 {
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.run(8, &|index, _| {
                    if index == 5 {
                        // Not `panic!`: the message would clutter the test's output.
                        resume_unwind(Box::new("task 5"));
                    }
                });
            }));
            assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"task 5"));
            let done = AtomicUsize::new(0);
            pool.run(8, &|_, _| {
                done.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(done.load(Ordering::Relaxed), 8);
        }
    }

    #[test]
    fn nested_and_concurrent_runs_end() {
        let pool = Pool::new(2);
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        pool.run(3, &|_, _| {
                            pool.run(2, &|_, _| {
                                done.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(done.load(Ordering::Relaxed), 3 * 50 * 3 * 2);
    }

    #[test]
    fn dropping_an_idle_or_sleeping_pool_ends_its_threads() {
        drop(Pool::new(4));
        let pool = Pool::new(4);
        std::thread::sleep(Duration::from_millis(2));
        drop(pool);
    }
}
