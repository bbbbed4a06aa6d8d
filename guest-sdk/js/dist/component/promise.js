/**
 * `Promise` for QuickJS. The engine runs its own jobs only while a component is built; the jobs of these promises are run by `drain`,
 * which an activation calls. The bundler writes `async` functions so that they use them.
 */
const jobs = [];
/** Rejected promises that nothing handles yet. */
const unhandled = new Set();
/** Runs what waits, and what it makes wait, in order. */
export function drain() {
    for (let at = 0; at < jobs.length; at++) {
        jobs[at]?.();
        if (at === 1023)
            at -= jobs.splice(0, 1024).length;
    }
    jobs.length = 0;
}
/** Returns why promises were rejected that nothing has handled, and forgets them. */
export function takeUnhandled() {
    const reasons = [...unhandled].map((promise) => promise.reason);
    unhandled.clear();
    return reasons;
}
class JobPromise {
    #state = "pending";
    #value;
    #reactions = [];
    constructor(executor) {
        if (typeof executor !== "function")
            throw new TypeError("the executor of a Promise must be a function");
        this.#call(executor);
    }
    get reason() {
        return this.#value;
    }
    get [Symbol.toStringTag]() {
        return "Promise";
    }
    static get [Symbol.species]() {
        return this;
    }
    then(onFulfilled, onRejected) {
        const constructor = speciesOf(this);
        return new constructor((resolve, reject) => {
            const react = () => {
                const handler = this.#state === "fulfilled" ? onFulfilled : onRejected;
                if (typeof handler !== "function") {
                    if (this.#state === "fulfilled")
                        resolve(this.#value);
                    else
                        reject(this.#value);
                    return;
                }
                try {
                    resolve(handler(this.#value));
                }
                catch (error) {
                    reject(error);
                }
            };
            if (this.#state === "rejected")
                unhandled.delete(this);
            if (this.#reactions === undefined)
                jobs.push(react);
            else
                this.#reactions.push(react);
            this.#isHandled = true;
        });
    }
    catch(onRejected) {
        return this.then(undefined, onRejected);
    }
    finally(onFinally) {
        if (typeof onFinally !== "function")
            return this.then(onFinally, onFinally);
        const constructor = speciesOf(this);
        return this.then((value) => constructor.resolve(onFinally()).then(() => value), (reason) => constructor.resolve(onFinally()).then(() => {
            throw reason;
        }));
    }
    #isHandled = false;
    /** Calls `executor` with the functions that settle this promise; only the first call of either counts. */
    #call(executor) {
        let isDone = false;
        const reject = (reason) => {
            if (isDone)
                return;
            isDone = true;
            this.#settle("rejected", reason);
        };
        const resolve = (value) => {
            if (isDone)
                return;
            isDone = true;
            this.#resolve(value);
        };
        try {
            executor(resolve, reject);
        }
        catch (error) {
            reject(error);
        }
    }
    #resolve(value) {
        if (!isObject(value)) {
            this.#settle("fulfilled", value);
            return;
        }
        if (value === this) {
            this.#settle("rejected", new TypeError("a promise cannot be resolved with itself"));
            return;
        }
        let then;
        try {
            then = value.then;
        }
        catch (error) {
            this.#settle("rejected", error);
            return;
        }
        if (typeof then !== "function") {
            this.#settle("fulfilled", value);
            return;
        }
        const adopt = then;
        jobs.push(() => this.#call((resolve, reject) => adopt.call(value, resolve, reject)));
    }
    #settle(state, value) {
        this.#state = state;
        this.#value = value;
        if (state === "rejected" && !this.#isHandled)
            unhandled.add(this);
        for (const reaction of this.#reactions ?? [])
            jobs.push(reaction);
        this.#reactions = undefined;
    }
    static resolve(value) {
        if (value instanceof JobPromise && value.constructor === this)
            return value;
        return new this((resolve) => resolve(value));
    }
    static reject(reason) {
        return new this((_, reject) => reject(reason));
    }
    static withResolvers() {
        const made = {};
        made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }));
        return made;
    }
    static try(code, ...values) {
        return new this((resolve) => resolve(code(...values)));
    }
    static all(values) {
        return new this((resolve, reject) => each(this, values, resolve, (keep) => [keep, reject]));
    }
    static allSettled(values) {
        return new this((resolve) => each(this, values, resolve, (keep) => [
            (value) => keep({ status: "fulfilled", value }),
            (reason) => keep({ status: "rejected", reason }),
        ]));
    }
    static any(values) {
        return new this((resolve, reject) => each(this, values, (errors) => reject(new AggregateError(errors, "every promise was rejected")), (keep) => [resolve, keep]));
    }
    static race(values) {
        return new this((resolve, reject) => {
            for (const value of values)
                this.resolve(value).then(resolve, reject);
        });
    }
}
/** Waits for each of `values`; once every one was kept, `done` is called with what was kept, in their order. */
function each(constructor, values, done, reactions) {
    const kept = [];
    let waiting = 1;
    const finish = () => {
        waiting -= 1;
        if (waiting === 0)
            done(kept);
    };
    let at = 0;
    for (const value of values) {
        const place = at++;
        waiting += 1;
        let isKept = false;
        const keep = (result) => {
            if (isKept)
                return;
            isKept = true;
            kept[place] = result;
            finish();
        };
        constructor.resolve(value).then(...reactions(keep));
    }
    finish();
}
function speciesOf(promise) {
    const { constructor } = promise;
    if (constructor === JobPromise)
        return JobPromise;
    if (!isObject(constructor))
        return JobPromise;
    return (constructor[Symbol.species] ?? JobPromise);
}
function isObject(value) {
    return (typeof value === "object" && value !== null) || typeof value === "function";
}
Object.defineProperty(JobPromise, "name", { value: "Promise" });
/** Runs `callback` after the code that runs now. */
function queueMicrotask(callback) {
    if (typeof callback !== "function")
        throw new TypeError("queueMicrotask takes a function");
    jobs.push(callback);
}
export { JobPromise };
Object.assign(globalThis, { Promise: JobPromise, queueMicrotask });
