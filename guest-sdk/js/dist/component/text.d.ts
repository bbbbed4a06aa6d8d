/** `TextEncoder` and `TextDecoder`, which QuickJS does not have. */
export {};
