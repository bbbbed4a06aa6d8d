/**
 * `Promise` for QuickJS. The engine runs its own jobs only while a component is built; the jobs of these promises are run by `drain`,
 * which an activation calls. The bundler writes `async` functions so that they use them.
 */
type Resolve<T> = (value: T | PromiseLike<T>) => void;
type Reject = (reason?: unknown) => void;
/** Runs what waits, and what it makes wait, in order. */
export declare function drain(): void;
/** Returns why promises were rejected that nothing has handled, and forgets them. */
export declare function takeUnhandled(): unknown[];
declare class JobPromise<T> implements Promise<T> {
    #private;
    constructor(executor: (resolve: Resolve<T>, reject: Reject) => void);
    get reason(): unknown;
    get [Symbol.toStringTag](): string;
    static get [Symbol.species](): PromiseConstructor;
    then<A = T, B = never>(onFulfilled?: ((value: T) => A | PromiseLike<A>) | null, onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<A | B>;
    catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B>;
    finally(onFinally?: (() => void) | null): Promise<T>;
    static resolve<T>(this: PromiseConstructor, value?: T | PromiseLike<T>): Promise<T>;
    static reject<T = never>(this: PromiseConstructor, reason?: unknown): Promise<T>;
    static withResolvers<T>(this: PromiseConstructor): {
        promise: Promise<T>;
        resolve: Resolve<T>;
        reject: Reject;
    };
    static try<T>(this: PromiseConstructor, code: (...values: unknown[]) => T | PromiseLike<T>, ...values: unknown[]): Promise<T>;
    static all(this: PromiseConstructor, values: Iterable<unknown>): Promise<unknown[]>;
    static allSettled(this: PromiseConstructor, values: Iterable<unknown>): Promise<unknown[]>;
    static any(this: PromiseConstructor, values: Iterable<unknown>): Promise<unknown>;
    static race(this: PromiseConstructor, values: Iterable<unknown>): Promise<unknown>;
}
export { JobPromise };
