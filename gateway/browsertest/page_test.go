package browsertest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	"example.com/ezdfs/cluster"
)

// picture is an image of the page, 80 by 80 pixels at its place, whatever its
// own size.
type picture struct {
	name  string // of the row
	width int    // its own; no two have the same
	color color.RGBA
	x, y  int
}

const count, columns, cell, shown = 50, 10, 100, 80

// pictures are spread over the stores.
func pictures() []picture {
	list := make([]picture, count)
	stores := []string{"nfs", "s3", "gcs"}
	kinds := []string{"png", "jpg", "gif"}
	for i := range list {
		shade := uint8(80 + 3*i)
		colors := []color.RGBA{{shade, 20, 20, 255}, {20, shade, 20, 255}, {20, 20, shade, 255}}
		list[i] = picture{
			name: fmt.Sprintf("var/site/storage/images/%s/Bild %d ü+&.%s", stores[i%3], i, kinds[i/3%3]), width: 40 + i,
			color: colors[i%3], x: i % columns * cell, y: i / columns * cell,
		}
	}
	return list
}

// encode makes the file: one colour, in the format that its name ends in.
func (p picture) encode() (data []byte, mime string, err error) {
	img := image.NewPaletted(image.Rect(0, 0, p.width, p.width), color.Palette{p.color, color.Black})
	var b bytes.Buffer
	switch p.name[len(p.name)-3:] {
	case "png":
		mime, err = "image/png", png.Encode(&b, img)
	case "jpg":
		mime, err = "image/jpeg", jpeg.Encode(&b, img, &jpeg.Options{Quality: 100})
	default:
		mime, err = "image/gif", gif.Encode(&b, img, nil)
	}
	return b.Bytes(), mime, err
}

// fill stores the pictures.
func fill(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, p := range pictures() {
		data, mime, err := p.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Store(t.Context(), p.name, bytes.NewReader(data), cluster.StoreOptions{Scope: "image", DataType: mime}); err != nil {
			t.Fatal(err)
		}
	}
}

// page is the HTML with all pictures; once they are loaded each tells its own
// width.
func page(url func(name string) string) string {
	var b bytes.Buffer
	b.WriteString("<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>50 images</title></head><body style=\"background: #fff\">\n")
	for _, p := range pictures() {
		fmt.Fprintf(&b, "<img src=\"%s\" alt=\"\" style=\"position: absolute; left: %dpx; top: %dpx; width: %dpx; height: %[4]dpx\">\n",
			url(p.name), p.x, p.y, shown)
	}
	b.WriteString(`<script>
addEventListener("load", () => {
	for (const image of document.images) image.setAttribute("data-width", image.naturalWidth);
});
</script></body></html>`)
	return b.String()
}
