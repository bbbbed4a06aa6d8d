// The server of this page is `run --serve`: one action, for the users of its own machine.
export const SIGN_IN = false;
export const SERVER = "server";
