/** Files that a module imports: the build makes them part of the component. Name this file in `types` of `tsconfig.json`. */

declare module "*.txt" {
  const text: string;
  export default text;
}
declare module "*.csv" {
  const text: string;
  export default text;
}
declare module "*.md" {
  const text: string;
  export default text;
}
declare module "*.html" {
  const text: string;
  export default text;
}
declare module "*.bin" {
  const bytes: Uint8Array;
  export default bytes;
}
declare module "*.gz" {
  const bytes: Uint8Array;
  export default bytes;
}
declare module "*.png" {
  const bytes: Uint8Array;
  export default bytes;
}
declare module "*.jpg" {
  const bytes: Uint8Array;
  export default bytes;
}
declare module "*.jpeg" {
  const bytes: Uint8Array;
  export default bytes;
}
declare module "*.otf" {
  const bytes: Uint8Array;
  export default bytes;
}
declare module "*.ttf" {
  const bytes: Uint8Array;
  export default bytes;
}
