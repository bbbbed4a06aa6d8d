// The server of this page is a node: users sign in with the key of a namespace.
export const SIGN_IN = true;
export const SERVER = "node";
