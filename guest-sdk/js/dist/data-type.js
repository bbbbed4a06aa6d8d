import { InvalidError } from "./errors.js";
/** Bytes of one element; elements of `BYTES` have any length. */
const SIZES = {
    BOOL: 1,
    UINT8: 1,
    UINT16: 2,
    UINT32: 4,
    UINT64: 8,
    INT8: 1,
    INT16: 2,
    INT32: 4,
    INT64: 8,
    FP16: 2,
    BF16: 2,
    FP32: 4,
    FP64: 8,
    BYTES: undefined,
};
/** All data types, in the order of the contract. */
export const DATA_TYPES = Object.keys(SIZES);
/** Returns the bytes of one element; `undefined` for `BYTES`, whose elements have any length. */
export function elementSize(dataType) {
    return SIZES[dataType];
}
/**
 * Returns `name` as a data type.
 *
 * @throws {InvalidError} It is not one of Triton's names.
 */
export function dataTypeOf(name) {
    if (!Object.hasOwn(SIZES, name)) {
        throw new InvalidError(`"${name}" is not a data type of Triton: use one of ${DATA_TYPES.join(", ")}`);
    }
    return name;
}
