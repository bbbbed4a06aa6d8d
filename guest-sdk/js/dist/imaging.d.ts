/**
 * Pictures: from a file to a model's input, and from detections to a file.
 *
 * ```ts
 * import { classColor, Picture } from "@keynet/inference/imaging";
 *
 * const picture = Picture.decode(await storage.get(image_url));
 * const { picture: boxed, toSource } = picture.letterBox(640, 640);
 * const outputs = await triton.predict({ images: boxed.toTensor("FP32") });
 * picture.drawLabel("mug 93%", 10, 20, classColor(5));
 * await storage.put(picture.encodeJpeg(), { contentType: "image/jpeg" });
 * ```
 *
 * It is a library in WebAssembly, which `keynet-inference build` makes part of an action that imports this module. On Node there is none:
 * keep what a test is to run, such as the reading of a model's rows, in a module of its own.
 *
 * @module
 */
import { Tensor } from "./tensor.js";
/** A color: red, green and blue, 0 to 255 each. */
export type Color = readonly [red: number, green: number, blue: number];
/** A rectangle by its edges, in pixels from the left and the top: left, top, right, bottom. */
export type Bounds = readonly [left: number, top: number, right: number, bottom: number];
/** The value of a pixel that is made of several: `bilinear` as Pillow's for most models, `nearest` for masks. */
export type Filter = "nearest" | "area" | "bilinear" | "bicubic" | "lanczos";
/** How a picture becomes a tensor. */
export interface TensorOptions {
    /** The order of the dimensions: `chw` as PyTorch has it, or `hwc` as TensorFlow. */
    readonly layout?: "chw" | "hwc";
    /** The channels; `gray` is one. */
    readonly channels?: "rgb" | "bgr" | "gray";
    /** A value is `(byte / divisor - mean) / std`: 255 for values of 0 to 1. `UINT8` has the bytes as they are. */
    readonly divisor?: number;
    readonly mean?: readonly [number, number, number];
    readonly std?: readonly [number, number, number];
}
/** A picture with its contents fitted into another size. */
export interface LetterBoxed {
    readonly picture: Picture;
    /** The size of the contents over that of the original. */
    readonly scale: number;
    /** Columns of the border at the left. */
    readonly left: number;
    /** Rows of the border above. */
    readonly top: number;
    /** Returns a rectangle of this picture in the original's pixels. */
    readonly toSource: (bounds: Bounds) => [number, number, number, number];
}
/** A color as the library takes it. */
export interface LibraryColor {
    red: number;
    green: number;
    blue: number;
}
/** The library's picture; `component/imaging` has it. */
export interface LibraryPicture {
    width(): number;
    height(): number;
    crop(left: number, top: number, width: number, height: number): LibraryPicture;
    resize(width: number, height: number, filter: Filter): LibraryPicture;
    letterBox(width: number, height: number, filter: Filter, color: LibraryColor): {
        picture: LibraryPicture;
        scale: number;
        left: number;
        top: number;
    };
    toUint8(layout: string, channels: string): Uint8Array;
    toFp16(layout: string, channels: string, normalization: LibraryNormalization): Uint8Array;
    toFp32(layout: string, channels: string, normalization: LibraryNormalization): Uint8Array;
    drawBox(bounds: {
        left: number;
        top: number;
        right: number;
        bottom: number;
    }, color: LibraryColor, line: number | undefined): void;
    drawLabel(text: string, left: number, top: number, color: LibraryColor, size: number | undefined): void;
    drawText(text: string, left: number, top: number, color: LibraryColor, size: number | undefined): void;
    setFont(file: Uint8Array): void;
    encodePng(): Uint8Array;
    encodeJpeg(quality: number): Uint8Array;
}
/** How the library makes values of bytes. */
export interface LibraryNormalization {
    divisor: number;
    mean: [number, number, number];
    std: [number, number, number];
}
/** The library; calls throw what has a `payload` with its error. */
export interface Library {
    Picture: {
        decode(file: Uint8Array): LibraryPicture;
        fromRgb(width: number, height: number, rgb: Uint8Array): LibraryPicture;
    };
    classColor(index: number): LibraryColor;
    drop(picture: LibraryPicture): void;
}
/** Makes `found` the library of this component. */
export declare function setLibrary(found: Library): void;
/** A picture in the library's memory. {@link close}, or the end of a block with `using`, gives the memory back. */
export declare class Picture implements Disposable {
    #private;
    private constructor();
    /**
     * Reads a PNG or JPEG file, turned upright as its EXIF orientation demands; transparency is dropped.
     *
     * @throws {InvalidError} It is damaged, or of another kind.
     * @throws {TooLargeError} More pixels than the library holds.
     */
    static decode(file: Uint8Array): Picture;
    /**
     * Makes a picture of `rgb`, 3 bytes for each pixel, row by row from the top.
     *
     * @throws {InvalidError} It has not that many.
     */
    static fromRgb(width: number, height: number, rgb: Uint8Array): Picture;
    /** Pixels from left to right. */
    get width(): number;
    /** Pixels from top to bottom. */
    get height(): number;
    /**
     * Returns a rectangle of it as a new picture.
     *
     * @throws {InvalidError} It is empty or not wholly inside.
     */
    crop(left: number, top: number, width: number, height: number): Picture;
    /**
     * Returns a new picture of this size, whatever becomes of the proportions.
     *
     * @throws {InvalidError} It is empty.
     * @throws {TooLargeError} More pixels than the library holds.
     */
    resize(width: number, height: number, filter?: Filter): Picture;
    /**
     * Returns a new picture of this size with the whole of this one in its middle, as large as its proportions allow, and a border. Throws as
     * {@link resize}.
     */
    letterBox(width: number, height: number, filter?: Filter, border?: Color): LetterBoxed;
    /**
     * Returns a model's input of one picture: `[1, 3, height, width]` for `chw`, `[1, height, width, 3]` for `hwc`, with 1 instead of 3 for
     * `gray`. Without options its values are from 0 to 1.
     *
     * @throws {InvalidError} A divisor or deviation is 0.
     */
    toTensor<T extends "UINT8" | "FP16" | "FP32">(dataType: T, options?: TensorOptions): Tensor<T>;
    /** Draws the outline of a rectangle, `line` pixels wide and inside of it; without it a width that grows with the picture. */
    drawBox(bounds: Bounds, boxColor: Color, line?: number): void;
    /**
     * Writes a label for the box whose corner is at `left`, `top`: black or white, on a strip of the color above that corner where there is
     * room, else below it. `size` is the height in pixels; without it one that grows with the picture.
     *
     * @throws {InvalidError} The font lacks a character; see {@link setFont}.
     */
    drawLabel(text: string, left: number, top: number, strip: Color, size?: number): void;
    /** Writes a line of text in this color; its upper left corner is at `left`, `top`. Size and errors as for {@link drawLabel}. */
    drawText(text: string, left: number, top: number, ink: Color, size?: number): void;
    /**
     * Takes the letters of further text on this picture from a TrueType or OpenType font; until then there are those of ASCII and Latin-1.
     *
     * @throws {InvalidError} It is no font.
     */
    setFont(file: Uint8Array): void;
    /** Returns a PNG file: nothing is lost; made fast rather than small. */
    encodePng(): Uint8Array;
    /**
     * Returns a JPEG file of a quality from 1 to 100.
     *
     * @throws {InvalidError} Another quality.
     */
    encodeJpeg(quality?: number): Uint8Array;
    /** Gives its memory back now. Closing it twice changes nothing. */
    close(): void;
    /** Gives its memory back, at the end of a block with `using`. */
    [Symbol.dispose](): void;
}
/** Returns one of ten colors apart from each other and from most pictures, in turn: one for each class of a detector. */
export declare function classColor(index: number): Color;
