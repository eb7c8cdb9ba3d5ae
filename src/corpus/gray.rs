//! Colour to 8-bit gray.
//!
//! Luma is that of ITU-R BT.601, Y = 0.299 R + 0.587 G + 0.114 B, in integers, on the values as stored (no gamma, no
//! colour profile). Alpha puts the image on black: Y is multiplied by alpha. 16-bit values v become v * 255 / 65535.
//! All of it is one division with one rounding, half up. Called by the decoders.

use image::DynamicImage;

const RED: u64 = 299;
const GREEN: u64 = 587;
const BLUE: u64 = 114;
const LUMA: u64 = RED + GREEN + BLUE;

/// Rounds `numerator / denominator` half up. The quotient is at most 255.
fn divide(numerator: u64, denominator: u64) -> u8 {
    u8::try_from((numerator + denominator / 2) / denominator).expect("luma is at most white")
}

/// RGB of 8 bits, interleaved, to gray.
pub(super) fn from_rgb8(rgb: &[u8]) -> Vec<u8> {
    rgb.chunks_exact(3).map(|p| divide(luma(p[0], p[1], p[2]), LUMA)).collect()
}

fn luma(red: impl Into<u64>, green: impl Into<u64>, blue: impl Into<u64>) -> u64 {
    RED * red.into() + GREEN * green.into() + BLUE * blue.into()
}

/// The gray pixels of an image, row by row; `None` for the floating-point kinds, which JPEG, PNG and WebP do not have.
pub(super) fn from_dynamic(image: DynamicImage) -> Option<Vec<u8>> {
    const WIDE: u64 = 65535;
    Some(match image {
        DynamicImage::ImageLuma8(image) => image.into_raw(),
        DynamicImage::ImageLumaA8(image) => {
            image.pixels().map(|p| divide(u64::from(p[0]) * u64::from(p[1]), 255)).collect()
        }
        DynamicImage::ImageRgb8(image) => from_rgb8(image.as_raw()),
        DynamicImage::ImageRgba8(image) => {
            image.pixels().map(|p| divide(luma(p[0], p[1], p[2]) * u64::from(p[3]), LUMA * 255)).collect()
        }
        DynamicImage::ImageLuma16(image) => {
            image.pixels().map(|p| divide(u64::from(p[0]) * 255, WIDE)).collect()
        }
        DynamicImage::ImageLumaA16(image) => {
            image.pixels().map(|p| divide(u64::from(p[0]) * u64::from(p[1]) * 255, WIDE * WIDE)).collect()
        }
        DynamicImage::ImageRgb16(image) => {
            image.pixels().map(|p| divide(luma(p[0], p[1], p[2]) * 255, LUMA * WIDE)).collect()
        }
        DynamicImage::ImageRgba16(image) => image
            .pixels()
            .map(|p| divide(luma(p[0], p[1], p[2]) * u64::from(p[3]) * 255, LUMA * WIDE * WIDE))
            .collect(),
        _ => return None,
    })
}

/// The largest value of an image of 16 bits a sample, alpha apart.
pub(super) fn largest_wide(image: &DynamicImage) -> Option<u16> {
    match image {
        DynamicImage::ImageLuma16(image) => image.as_raw().iter().copied().max(),
        DynamicImage::ImageLumaA16(image) => image.pixels().map(|p| p[0]).max(),
        DynamicImage::ImageRgb16(image) => image.as_raw().iter().copied().max(),
        DynamicImage::ImageRgba16(image) => image.pixels().map(|p| p[0].max(p[1]).max(p[2])).max(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, LumaA, Rgb, Rgba};

    use super::*;

    #[test]
    fn primaries_have_the_weights_of_bt601() {
        assert_eq!(from_rgb8(&[255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]), [76, 150, 29, 255]);
        for gray in 0..=255 {
            assert_eq!(from_rgb8(&[gray; 3]), [gray]);
        }
    }

    #[test]
    fn sixteen_bits_are_scaled_and_alpha_lies_on_black() {
        let wide = |v: u16| {
            let image = ImageBuffer::from_pixel(1, 1, image::Luma([v]));
            from_dynamic(DynamicImage::ImageLuma16(image)).unwrap()[0]
        };
        assert_eq!([wide(0), wide(128), wide(129), wide(0x7fff), wide(65535)], [0, 0, 1, 127, 255]);
        let rgba = ImageBuffer::from_pixel(1, 1, Rgba([255_u8, 255, 255, 128]));
        assert_eq!(from_dynamic(DynamicImage::ImageRgba8(rgba)), Some(vec![128]));
        let gray_alpha = ImageBuffer::from_pixel(1, 1, LumaA([200_u8, 51]));
        assert_eq!(from_dynamic(DynamicImage::ImageLumaA8(gray_alpha)), Some(vec![40]));
        let rgb = ImageBuffer::from_pixel(1, 1, Rgb([65535_u16, 0, 0]));
        assert_eq!(from_dynamic(DynamicImage::ImageRgb16(rgb)), Some(vec![76]));
        let white = ImageBuffer::from_pixel(1, 1, Rgba([65535_u16; 4]));
        assert_eq!(from_dynamic(DynamicImage::ImageRgba16(white)), Some(vec![255]));
        let clear = ImageBuffer::from_pixel(1, 1, LumaA([65535_u16, 0]));
        assert_eq!(from_dynamic(DynamicImage::ImageLumaA16(clear)), Some(vec![0]));
    }
}
