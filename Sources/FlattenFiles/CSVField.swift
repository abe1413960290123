/// A CSV field by RFC 4180: quoted where it holds a comma, a quote or a line end.
package func csvField(_ text: String) -> String {
  let special = text.utf8.contains { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }
  return special ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
}
