/**
 * `Promise` for QuickJS. The engine runs its own jobs only while a component is built; the jobs of these promises are run by `drain`,
 * which an activation calls. The bundler writes `async` functions so that they use them.
 */

type Resolve<T> = (value: T | PromiseLike<T>) => void;
type Reject = (reason?: unknown) => void;
type Job = () => void;

const jobs: Job[] = [];
/** Rejected promises that nothing handles yet. */
const unhandled = new Set<JobPromise<unknown>>();

/** Runs what waits, and what it makes wait, in order. */
export function drain(): void {
  for (let at = 0; at < jobs.length; at++) {
    jobs[at]?.();
    if (at === 1023) at -= jobs.splice(0, 1024).length;
  }
  jobs.length = 0;
}

/** Returns why promises were rejected that nothing has handled, and forgets them. */
export function takeUnhandled(): unknown[] {
  const reasons = [...unhandled].map((promise) => promise.reason);
  unhandled.clear();
  return reasons;
}

class JobPromise<T> implements Promise<T> {
  #state: "pending" | "fulfilled" | "rejected" = "pending";
  #value: unknown;
  #reactions: Job[] | undefined = [];

  constructor(executor: (resolve: Resolve<T>, reject: Reject) => void) {
    if (typeof executor !== "function") throw new TypeError("the executor of a Promise must be a function");
    this.#call(executor);
  }

  get reason(): unknown {
    return this.#value;
  }

  get [Symbol.toStringTag](): string {
    return "Promise";
  }

  static get [Symbol.species](): PromiseConstructor {
    return this as unknown as PromiseConstructor;
  }

  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const constructor = speciesOf(this);
    return new constructor<A | B>((resolve, reject) => {
      const react = () => {
        const handler = this.#state === "fulfilled" ? onFulfilled : onRejected;
        if (typeof handler !== "function") {
          if (this.#state === "fulfilled") resolve(this.#value as A);
          else reject(this.#value);
          return;
        }
        try {
          resolve((handler as (value: unknown) => A | B)(this.#value));
        } catch (error) {
          reject(error);
        }
      };
      if (this.#state === "rejected") unhandled.delete(this as JobPromise<unknown>);
      if (this.#reactions === undefined) jobs.push(react);
      else this.#reactions.push(react);
      this.#isHandled = true;
    });
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    if (typeof onFinally !== "function") return this.then(onFinally, onFinally as null);
    const constructor = speciesOf(this);
    return this.then(
      (value) => constructor.resolve(onFinally()).then(() => value),
      (reason: unknown) =>
        constructor.resolve(onFinally()).then(() => {
          throw reason;
        }),
    );
  }

  #isHandled = false;

  /** Calls `executor` with the functions that settle this promise; only the first call of either counts. */
  #call(executor: (resolve: Resolve<T>, reject: Reject) => void): void {
    let isDone = false;
    const reject = (reason?: unknown) => {
      if (isDone) return;
      isDone = true;
      this.#settle("rejected", reason);
    };
    const resolve = (value: T | PromiseLike<T>) => {
      if (isDone) return;
      isDone = true;
      this.#resolve(value);
    };
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  #resolve(value: unknown): void {
    if (!isObject(value)) {
      this.#settle("fulfilled", value);
      return;
    }
    if (value === this) {
      this.#settle("rejected", new TypeError("a promise cannot be resolved with itself"));
      return;
    }
    let then: unknown;
    try {
      then = (value as { then?: unknown }).then;
    } catch (error) {
      this.#settle("rejected", error);
      return;
    }
    if (typeof then !== "function") {
      this.#settle("fulfilled", value);
      return;
    }
    const adopt = then as (resolve: Resolve<T>, reject: Reject) => void;
    jobs.push(() => this.#call((resolve, reject) => adopt.call(value, resolve, reject)));
  }

  #settle(state: "fulfilled" | "rejected", value: unknown): void {
    this.#state = state;
    this.#value = value;
    if (state === "rejected" && !this.#isHandled) unhandled.add(this as JobPromise<unknown>);
    for (const reaction of this.#reactions ?? []) jobs.push(reaction);
    this.#reactions = undefined;
  }

  static resolve<T>(this: PromiseConstructor, value?: T | PromiseLike<T>): Promise<T> {
    if (value instanceof JobPromise && (value.constructor as unknown) === this) return value as unknown as Promise<T>;
    return new this<T>((resolve) => resolve(value as T));
  }

  static reject<T = never>(this: PromiseConstructor, reason?: unknown): Promise<T> {
    return new this<T>((_, reject) => reject(reason));
  }

  static withResolvers<T>(this: PromiseConstructor): { promise: Promise<T>; resolve: Resolve<T>; reject: Reject } {
    const made = {} as { promise: Promise<T>; resolve: Resolve<T>; reject: Reject };
    made.promise = new this<T>((resolve, reject) => Object.assign(made, { resolve, reject }));
    return made;
  }

  static try<T>(this: PromiseConstructor, code: (...values: unknown[]) => T | PromiseLike<T>, ...values: unknown[]): Promise<T> {
    return new this<T>((resolve) => resolve(code(...values)));
  }

  static all(this: PromiseConstructor, values: Iterable<unknown>): Promise<unknown[]> {
    return new this((resolve, reject) => each(this, values, resolve, (keep) => [keep, reject]));
  }

  static allSettled(this: PromiseConstructor, values: Iterable<unknown>): Promise<unknown[]> {
    return new this((resolve) =>
      each(this, values, resolve, (keep) => [
        (value) => keep({ status: "fulfilled", value }),
        (reason) => keep({ status: "rejected", reason }),
      ]),
    );
  }

  static any(this: PromiseConstructor, values: Iterable<unknown>): Promise<unknown> {
    return new this((resolve, reject) =>
      each(this, values, (errors) => reject(new AggregateError(errors, "every promise was rejected")), (keep) => [resolve, keep]),
    );
  }

  static race(this: PromiseConstructor, values: Iterable<unknown>): Promise<unknown> {
    return new this((resolve, reject) => {
      for (const value of values) this.resolve(value).then(resolve, reject);
    });
  }
}

/** Waits for each of `values`; once every one was kept, `done` is called with what was kept, in their order. */
function each(
  constructor: PromiseConstructor,
  values: Iterable<unknown>,
  done: (kept: unknown[]) => void,
  reactions: (keep: (value: unknown) => void) => [(value: unknown) => void, (reason: unknown) => void],
): void {
  const kept: unknown[] = [];
  let waiting = 1;
  const finish = () => {
    waiting -= 1;
    if (waiting === 0) done(kept);
  };
  let at = 0;
  for (const value of values) {
    const place = at++;
    waiting += 1;
    let isKept = false;
    const keep = (result: unknown) => {
      if (isKept) return;
      isKept = true;
      kept[place] = result;
      finish();
    };
    constructor.resolve(value).then(...reactions(keep));
  }
  finish();
}

function speciesOf(promise: object): PromiseConstructor {
  const { constructor } = promise as { constructor?: unknown };
  if (constructor === JobPromise) return JobPromise as unknown as PromiseConstructor;
  if (!isObject(constructor)) return JobPromise as unknown as PromiseConstructor;
  return ((constructor as { [Symbol.species]?: PromiseConstructor | null })[Symbol.species] ?? JobPromise) as PromiseConstructor;
}

function isObject(value: unknown): boolean {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

Object.defineProperty(JobPromise, "name", { value: "Promise" });

/** Runs `callback` after the code that runs now. */
function queueMicrotask(callback: () => void): void {
  if (typeof callback !== "function") throw new TypeError("queueMicrotask takes a function");
  jobs.push(callback);
}

export { JobPromise };
Object.assign(globalThis, { Promise: JobPromise, queueMicrotask });
