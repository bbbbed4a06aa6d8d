//! Conversion between tensors and `ndarray` arrays (feature `ndarray`).

use ndarray::{Array, ArrayBase, ArrayD, ArrayViewD, CowArray, Data, Dimension, Ix, IxDyn};

use crate::data_type::Element;
use crate::error::{Error, Result};
use crate::tensor::{Elements, Tensor};

impl Tensor {
    /// Returns its elements as an array of the same shape; `into_dimensionality` converts it to a
    /// fixed number of dimensions. Makes the same copies as [`to_vec`](Self::to_vec).
    ///
    /// ```
    /// use keynet_inference_sdk::Tensor;
    /// use ndarray::{Ix2, array};
    ///
    /// let tensor = Tensor::try_from(array![[1.0_f32, 2.0], [3.0, 4.0]].t())?;
    /// let array = tensor.to_array::<f32>()?.into_dimensionality::<Ix2>()?;
    /// assert_eq!(array, array![[1.0, 3.0], [2.0, 4.0]]);
    /// # Ok::<(), keynet_inference_sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid`: `T` is not its element type; the message names the actual one.
    pub fn to_array<T: Element>(&self) -> Result<ArrayD<T>> {
        Ok(ArrayD::from_shape_vec(self.shape(), self.to_vec()?)?)
    }
}

impl<T: Element> Elements<T> {
    /// Returns a view of the elements as an array, without a copy.
    ///
    /// # Errors
    /// None, unless the host returned fewer bytes than the tensor's shape requires.
    pub fn as_array(&self) -> Result<ArrayViewD<'_, T>> {
        Ok(ArrayViewD::from_shape(self.shape(), self)?)
    }
}

/// Makes one copy into the host, and one more in the action if the array is not in row-major order.
impl<T: Element, S: Data<Elem = T>, D: Dimension> TryFrom<&ArrayBase<S, D>> for Tensor {
    type Error = Error;

    fn try_from(array: &ArrayBase<S, D>) -> Result<Self> {
        let standard: CowArray<'_, T, D> = array.as_standard_layout();
        let shape: &[Ix] = array.shape();
        match standard.as_slice() {
            Some(elements) => Self::from_slice(shape, elements),
            None => Err(Error::internal("an array in standard layout is not contiguous")),
        }
    }
}

/// Same as for a borrowed array.
impl<T: Element, S: Data<Elem = T>, D: Dimension> TryFrom<ArrayBase<S, D>> for Tensor {
    type Error = Error;

    fn try_from(array: ArrayBase<S, D>) -> Result<Self> {
        Self::try_from(&array)
    }
}

/// Same as [`Tensor::to_array`].
impl<T: Element> TryFrom<&Tensor> for Array<T, IxDyn> {
    type Error = Error;

    fn try_from(tensor: &Tensor) -> Result<Self> {
        tensor.to_array()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, array, s};

    use super::*;

    #[test]
    fn an_image_becomes_a_batch() -> Result<()> {
        let pixels = Array4::from_shape_fn((1, 3, 2, 2), |(_, c, y, x)| (c * 4 + y * 2 + x) as f32);
        let tensor = Tensor::try_from(&pixels)?;
        assert_eq!(tensor.shape(), [1, 3, 2, 2]);
        assert_eq!(ArrayD::<f32>::try_from(&tensor)?, pixels.into_dyn());
        Ok(())
    }

    #[test]
    fn slices_and_transposes_come_in_row_major_order() -> Result<()> {
        let array = array![[1_i32, 2, 3], [4, 5, 6]];
        let tensor = Tensor::try_from(array.slice(s![.., 1..]).reversed_axes())?;
        assert_eq!((tensor.shape(), tensor.to_vec::<i32>()?), (&[2, 2][..], vec![2, 5, 3, 6]));
        assert_eq!(tensor.elements::<i32>()?.as_array()?, array![[2, 5], [3, 6]].into_dyn());
        assert!(tensor.to_array::<f32>().is_err());
        Ok(())
    }
}
