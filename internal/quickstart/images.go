package quickstart

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
)

// pattern is the colour of an image at a place, both coordinates in [0, 1).
type pattern func(x, y float64) color.RGBA

func gradient(x, y float64) color.RGBA {
	return color.RGBA{uint8(255 * x), uint8(180 * (1 - y)), uint8(255 * y), 255}
}

func stripes(x, y float64) color.RGBA {
	if int(8*x+4*y)%2 == 0 {
		return color.RGBA{240, 200, 60, 255}
	}
	return color.RGBA{30, 60, 120, 255}
}

func disc(x, y float64) color.RGBA {
	if math.Hypot(x-0.5, y-0.5) < 0.35 {
		return color.RGBA{245, 245, 220, 255}
	}
	return color.RGBA{10, 10, 40, 255}
}

// noise is a hash of the place.
func noise(x, y float64) color.RGBA {
	h := uint32(x*65536)*2654435761 ^ uint32(y*65536)*2246822519
	h ^= h >> 13
	h *= 3266489917
	return color.RGBA{uint8(h), uint8(h >> 8), uint8(h >> 16), 255}
}

func fractal(x, y float64) color.RGBA {
	c := complex(3*x-2.2, 2*y-1)
	var z complex128
	for n := range 60 {
		if z = z*z + c; real(z)*real(z)+imag(z)*imag(z) > 4 {
			return color.RGBA{uint8(4 * n), uint8(8 * n), uint8(160 + n), 255}
		}
	}
	return color.RGBA{0, 0, 0, 255}
}

func paint(width, height int, p pattern) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetRGBA(x, y, p(float64(x)/float64(width), float64(y)/float64(height)))
		}
	}
	return img
}

// Encoding into memory does not fail.

func pngOf(width, height int, p pattern) func() []byte {
	return func() []byte {
		var b bytes.Buffer
		_ = png.Encode(&b, paint(width, height, p))
		return b.Bytes()
	}
}

func jpegOf(width, height, quality int, p pattern) func() []byte {
	return func() []byte {
		var b bytes.Buffer
		_ = jpeg.Encode(&b, paint(width, height, p), &jpeg.Options{Quality: quality})
		return b.Bytes()
	}
}

// gifOf is an animation: a dot that goes round.
func gifOf(width, height, frames int) func() []byte {
	return func() []byte {
		animation := new(gif.GIF)
		for n := range frames {
			frame := image.NewPaletted(image.Rect(0, 0, width, height), palette.WebSafe)
			sin, cos := math.Sincos(2 * math.Pi * float64(n) / float64(frames))
			for y := range height {
				for x := range width {
					fx, fy := float64(x)/float64(width)-0.5, float64(y)/float64(height)-0.5
					if math.Hypot(fx-0.3*cos, fy-0.3*sin) < 0.15 {
						frame.Set(x, y, color.RGBA{204, 0, 51, 255})
					}
				}
			}
			animation.Image = append(animation.Image, frame)
			animation.Delay = append(animation.Delay, 8)
		}
		var b bytes.Buffer
		_ = gif.EncodeAll(&b, animation)
		return b.Bytes()
	}
}

// wav is half a second of a tone that fades away.
func wav() []byte {
	const rate, samples = 8000, 4000
	var b bytes.Buffer
	b.WriteString("RIFF")
	_ = binary.Write(&b, binary.LittleEndian, uint32(36+samples))
	b.WriteString("WAVEfmt ")
	_ = binary.Write(&b, binary.LittleEndian, struct {
		Length            uint32
		Format, Channels  uint16
		Rate, BytesPerSec uint32
		Align, Bits       uint16
	}{16, 1, 1, rate, rate, 1, 8})
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(samples))
	for n := range samples {
		fade := 1 - float64(n)/samples
		b.WriteByte(uint8(128 + 100*fade*math.Sin(2*math.Pi*440*float64(n)/rate)))
	}
	return b.Bytes()
}
