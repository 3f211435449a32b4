# Renders what Assay wrote: Vega-Lite specifications to SVG, Typst sources to PDF. Decides nothing; the same input gives the same bytes.
# Usage: render.py JOB.json with {root, fonts, plots: [[spec, svg]], bundle, documents: [[source, pdf]], timestamp}; paths are absolute.
import json
import os
import sys


def write(path, data):
    temporary = f"{path}.partial"
    with open(temporary, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    import typst
    import vl_convert

    if not os.path.isdir(job["fonts"]):
        sys.exit(f"the fonts are not in {job['fonts']}; the Debian package fonts-liberation has them")
    vl_convert.register_font_directory(job["fonts"])
    for spec, svg in job["plots"]:
        with open(spec, encoding="utf-8") as file:
            try:
                drawn = vl_convert.vegalite_to_svg(json.load(file), vl_version="6.4")
            except ValueError as error:
                sys.exit(f"{spec}: {str(error).splitlines()[0]}")
        write(svg, drawn.encode())
    if job["bundle"]:
        snippet = "window.vegaEmbed = vegaEmbed;"
        write(job["bundle"], vl_convert.javascript_bundle(snippet, vl_version="6.4").encode())
    # Only the fonts that are pinned: the same pages on every machine.
    fonts = typst.Fonts(include_system_fonts=False, font_paths=[job["fonts"]])
    for source, pdf in job["documents"]:
        try:
            made = typst.compile(source, root=job["root"], font_paths=fonts, timestamp=job["timestamp"], pdf_standards=["ua-1"])
        except typst.TypstError as error:
            sys.exit(f"{source}: {error.message} {'; '.join(error.hints)}")
        write(pdf, made)


main()
